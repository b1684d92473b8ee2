package tenants

import (
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants/tenantstest/golden"
)

func TestRecordEncodings(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	golden.Check(t,
		golden.Record{Kind: "tenant", Value: Tenant{
			ID: "ten_1", Name: "Acme", Email: "a@b.example", Plan: "free",
			Overrides: map[string]int64{"sources": 3, "connections": 5}, Origins: []string{"https://a.example"},
			Suspended: true, Closing: true, Created: at,
		}},
		golden.Record{Kind: "tenant", Value: Tenant{
			ID: "ten_1", Tracing: Tracing{Since: at, Until: at.Add(time.Hour), Sample: 0.5},
		}},
	)
}
