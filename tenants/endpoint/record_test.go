package endpoint

import (
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/tenantstest/golden"
)

func TestRecordEncodings(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	sealed := tenants.SealedSecret{ID: "sec_1", Sealed: []byte{1, 2}, Created: at, NotAfter: at}
	golden.Check(t, golden.Record{Kind: string(rowEndpoints), Value: Endpoint{
		ID: "end_1", Tenant: "ten_1", Name: "hooks", URL: "https://a.example/", Channels: []string{"orders.*"},
		Types: []string{"order.paid"}, Filter: "data.a == 1", Headers: []byte{7}, HeaderNames: []string{"X-A"},
		Secrets: []Secret{{sealed, "v1"}}, Ordered: true, PerSecond: 5, Concurrency: 2,
		Schedule: []time.Duration{time.Second}, State: Pending, Reason: "why", Changed: at, Created: at,
		Proven: "https://b.example/",
	}})
}
