package projection_test

import (
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/projection"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

// PerSecond counts each of one tenant's events of the last ten seconds once, however often the feed gives it.
func TestPerSecondCountsTheLastTenSecondsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := tenantstest.NewTable(tenantstest.Faults{Seed: 1, Repeated: 0.5, Shuffled: true})
		x, l := projection.NewEventIndex(table), eventlog.New(table)
		feed := table.Feed()
		go x.Run(t.Context(), feed, slog.New(slog.DiscardHandler))
		perSecond := func() int {
			t.Helper()
			n, err := x.PerSecond(t.Context(), rig.LogTenant, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		if n := perSecond(); n != 0 {
			t.Errorf("without events: got %d per second, want 0", n)
		}
		for i := range 15 * 40 {
			for _, tenant := range []tenants.TenantID{rig.LogTenant, "ten_b"} {
				e := tenants.Event{ID: tenants.NewID(tenants.PrefixEvent), Type: "t", Time: time.Now(),
					Data: fmt.Append(nil, i), Keep: -1}
				if _, err := l.Append(t.Context(), tenant, fmt.Sprint("c", i%3), []tenants.Event{e}); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Second / 40)
		}
		synctest.Wait()
		if n := perSecond(); n < 38 || n > 40 {
			t.Errorf("at 40 per second: got %d, want 38 to 40", n)
		}
		time.Sleep(9500 * time.Millisecond)
		if n := perSecond(); n != 2 {
			t.Errorf("20 events in ten seconds: got %d per second, want 2", n)
		}
		time.Sleep(time.Second)
		if n := perSecond(); n != 0 {
			t.Errorf("ten seconds after the last event: got %d per second, want 0", n)
		}
	})
}
