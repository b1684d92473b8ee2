package source

import (
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/signing"
	"github.com/hookcast/hookcast/tenants/tenantstest/golden"
)

func TestRecordEncodings(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	golden.Check(t,
		golden.Record{Kind: string(rowSources), Value: Source{
			ID: "src_1", Tenant: "ten_1", Name: "GitHub", Provider: "github", Channel: "github.{type}",
			Fallback: "github",
			Custom:   &signing.Custom{Header: "X-Sig", Prefix: "sha256="}, AllowLegacy: true, Tolerance: time.Minute,
			Response: &Response{Status: 200, Body: "{}", Type: "json"}, Created: at,
			Secrets: []tenants.SealedSecret{{ID: "sec_1", Sealed: []byte{1, 2}, Created: at, NotAfter: at}},
			Tokens:  []Token{{Hash: "cd34", Sealed: []byte{3}, Expires: at}},
		}},
		golden.Record{Kind: string(rowSource), Value: lookupRecord{Tenant: "ten_1", ID: "src_1", Expires: at}},
	)
}
