package tenants_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// estate gives the rig's tenant a bit of everything, and what is left of it can be looked at in everything.
func (r *intakeRig) estate(t *testing.T, token string) {
	t.Helper()
	for n := range 30 {
		if _, err := r.receiver.Receive(t.Context(), github(t, token, fmt.Sprint(n), "push", fmt.Sprintf(`{"repository":{"name":"r%d"}}`, n%3))); err != nil {
			t.Fatal(err)
		}
	}
	r.appendAll(t)
}

func TestErasureLeavesNothingOfADeletedTenantAndAllOfTheOther(t *testing.T) {
	for seed := range uint64(8) {
		synctest.Test(t, func(t *testing.T) {
			ctx := t.Context()
			r := newIntakeRig(t)
			feed := r.table.Feed()
			_, token := r.source(t, githubSpec)
			r.estate(t, token)
			gone, claimed := r.tenant, r.all(t, "github.r1")
			other, _, _ := r.signUp(t)
			r.tenant = other.ID
			_, token = r.source(t, githubSpec)
			r.estate(t, token)

			x, u, a := tenants.NewEventIndex(r.table), tenants.NewMonthlyUsage(r.table), tenants.NewAuditLog(r.table)
			running, stop := context.WithTimeout(ctx, time.Minute)
			go x.Run(running, feed, slog.New(slog.DiscardHandler))
			u.Run(running, r.table.Feed(), slog.New(slog.DiscardHandler)) // of nothing: the months' rows are made below
			stop()
			for _, id := range []tenants.TenantID{gone, other.ID} {
				count(t, u, logged(id, "c", 1, time.Now()), logged(id, "c", 2, time.Now().AddDate(0, -3, 0)))
				if err := a.Add(ctx, tenants.AuditEntry{Time: time.Now(), Action: "x"}, id); err != nil {
					t.Fatal(err)
				}
			}
			whole := r.table.Left(other.ID)

			if err := r.erasure.Delete(ctx, gone); err != nil {
				t.Fatal(err)
			}
			// From here on the engine fails, both ways, and so each run stops somewhere.
			r.table.Turn(tenantstest.Faults{Seed: seed, Lost: 0.1, Stored: 0.1, Unread: 0.1})
			e := tenants.NewErasure(r.office.table, r.accounts)
			for range 200 {
				_, _ = e.Run(ctx)
				time.Sleep(time.Minute)
			}
			r.table.Turn(tenantstest.Faults{})
			if left := r.table.Left(gone); len(left) != 0 {
				t.Errorf("seed %d: left are %v", seed, left)
			}
			if _, err := r.log.Event(ctx, gone, claimed[0].ID, tenants.Retention{}); tenants.KindOf(err) != tenants.NotFound {
				t.Errorf("an event is still found: %v", err)
			}
			for _, k := range r.table.Left(tenants.System) {
				if strings.Contains(k.Sort, string(gone)) {
					t.Errorf("seed %d: %v is left", seed, k)
				}
			}
			if now := r.table.Left(other.ID); fmt.Sprint(now) != fmt.Sprint(whole) {
				t.Errorf("seed %d: the other tenant had %d rows, and has %d", seed, len(whole), len(now))
			}
		})
	}
}

// What still waits in the queue of a tenant that is deleted is drained into nothing, and so is what a frozen worker appends behind the erasure.
func TestAQueueOfADeletedTenantIsDrained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		r := newIntakeRig(t)
		r.Tenants = r.accounts
		_, token := r.source(t, githubSpec)
		r.estate(t, token)
		if _, err := r.receiver.Receive(ctx, github(t, token, "late", "push", `{"repository":{"name":"r1"}}`)); err != nil {
			t.Fatal(err)
		}
		if err := r.erasure.Delete(ctx, r.tenant); err != nil {
			t.Fatal(err)
		}
		e := tenants.NewErasure(r.office.table, r.accounts)
		if n, err := e.Run(ctx); n != 0 || err != nil {
			t.Errorf("at once, while others may still go by what they remember: %d, %v", n, err)
		}
		time.Sleep(2 * time.Minute)
		if n, err := e.Run(ctx); n == 0 || err != nil {
			t.Errorf("after two minutes: %d, %v", n, err)
		}
		r.appendAll(t)
		if left := r.table.Left(r.tenant); len(left) != 0 {
			t.Errorf("left are %v", left)
		}
		mustAppendAs(t, r.log, r.tenant, "github.r1")
		time.Sleep(2 * time.Hour)
		for range 2 {
			if _, err := e.Run(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if left := append(r.table.Left(r.tenant), r.table.Left(tenants.System)...); len(left) != 1 || left[0].Kind != "deployment" {
			t.Errorf("in the end there are %v", left)
		}
	})
}

func mustAppendAs(t *testing.T, l *tenants.Log, tenant tenants.TenantID, channel string) {
	t.Helper()
	if _, err := l.Append(t.Context(), tenant, channel, []tenants.Event{{ID: tenants.NewID(tenants.PrefixEvent), Time: time.Now()}}); err != nil {
		t.Fatal(err)
	}
}
