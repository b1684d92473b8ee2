package rig

import (
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/projection"
)

// Logged returns the change that the feed has after an event was appended.
func Logged(t tenants.TenantID, channel string, seq int64, at time.Time) tenants.Change {
	e := tenants.Event{ID: tenants.NewID(tenants.PrefixEvent), Tenant: t, Channel: channel, Seq: seq, Time: at}
	k := tenants.Key{Tenant: t, Kind: tenants.Kind("log/" + channel), Sort: "x"}
	return tenants.Change{Row: tenants.Row{Key: k, Version: 1, Body: tenants.EncodeEvent(e)}}
}

// Count has the monthly usage count the changes.
func Count(t *testing.T, u *projection.MonthlyUsage, cs ...tenants.Change) {
	t.Helper()
	if failed, err := u.Count(t.Context(), cs); failed != nil || err != nil {
		t.Fatalf("changes %v failed with %v, want none", failed, err)
	}
}

// WantUsage fails the test unless the tenant's number of events in the month is the one wanted.
func WantUsage(t *testing.T, u *projection.MonthlyUsage, tenant tenants.TenantID, month time.Time, want int64) {
	t.Helper()
	if got, err := u.Month(t.Context(), tenant, month); err != nil || got != want {
		t.Errorf("%s in %s: got %d events (%v), want %d", tenant, month.Format("2006-01"), got, err, want)
	}
}
