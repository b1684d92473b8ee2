package account

import (
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants/tenantstest/golden"
)

func TestRecordEncodings(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	golden.Check(t,
		golden.Record{Kind: string(rowKeys), Value: APIKey{
			ID: "key_1", Tenant: "ten_1", Name: "ci", Role: "admin", KID: "kid", Hash: "ab12", Created: at, Expires: at,
		}},
		golden.Record{Kind: string(rowKey), Value: keyLookup{Tenant: "ten_1", ID: "key_1", Role: "admin", Expires: at}},
		golden.Record{Kind: string(rowSigning), Value: signerRecord{Sealed: []byte{4, 5}, Expires: at}},
	)
}
