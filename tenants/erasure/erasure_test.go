package erasure_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/erasure"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/projection"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

func TestErasureLeavesNothingOfADeletedTenantAndAllOfTheOther(t *testing.T) {
	for seed := range uint64(8) {
		synctest.Test(t, func(t *testing.T) {
			ctx := t.Context()
			r := rig.NewIntakeRig(t)
			feed := r.Table.Feed()
			_, token := r.Source(t, rig.GithubSpec)
			r.Estate(t, token)
			gone, claimed := r.Tenant, r.All(t, "github.r1")
			other, _, _ := r.SignUp(t)
			r.Tenant = other.ID
			_, token = r.Source(t, rig.GithubSpec)
			r.Estate(t, token)

			x, u, a := projection.NewEventIndex(r.Table), projection.NewMonthlyUsage(r.Table), account.NewAuditLog(r.Table)
			running, stop := context.WithTimeout(ctx, time.Minute)
			go x.Run(running, feed, slog.New(slog.DiscardHandler))
			u.Run(running, r.Table.Feed(), slog.New(slog.DiscardHandler)) // of nothing: the months' rows are made below
			stop()
			for _, id := range []tenants.TenantID{gone, other.ID} {
				rig.Count(t, u, rig.Logged(id, "c", 1, time.Now()), rig.Logged(id, "c", 2, time.Now().AddDate(0, -3, 0)))
				if err := a.Add(ctx, account.AuditEntry{Time: time.Now(), Action: "x"}, id); err != nil {
					t.Fatal(err)
				}
			}
			whole := r.Table.Left(other.ID)

			if err := r.Erasure.Delete(ctx, gone); err != nil {
				t.Fatal(err)
			}
			// From here on the engine fails, both ways, and so each run stops somewhere.
			r.Table.Turn(tenantstest.Faults{Seed: seed, Lost: 0.1, Stored: 0.1, Unread: 0.1})
			e := erasure.NewErasure(r.Office.Table, r.Accounts)
			for range 200 {
				_, _ = e.Run(ctx)
				time.Sleep(time.Minute)
			}
			r.Table.Turn(tenantstest.Faults{})
			if left := r.Table.Left(gone); len(left) != 0 {
				t.Errorf("seed %d: left are %v", seed, left)
			}
			if _, err := r.Log.Event(ctx, gone, claimed[0].ID, tenants.Retention{}); tenants.KindOf(err) != tenants.NotFound {
				t.Errorf("an event is still found: %v", err)
			}
			for _, k := range r.Table.Left(tenants.System) {
				if strings.Contains(k.Sort, string(gone)) {
					t.Errorf("seed %d: %v is left", seed, k)
				}
			}
			if now := r.Table.Left(other.ID); fmt.Sprint(now) != fmt.Sprint(whole) {
				t.Errorf("seed %d: the other tenant had %d rows, and has %d", seed, len(whole), len(now))
			}
		})
	}
}

// What still waits in the queue of a tenant that is deleted is drained into nothing, and so is what a frozen worker appends behind the erasure.
func TestAQueueOfADeletedTenantIsDrained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		r := rig.NewIntakeRig(t)
		r.Tenants = r.Accounts
		_, token := r.Source(t, rig.GithubSpec)
		r.Estate(t, token)
		if _, err := r.Receiver.Receive(ctx, rig.Github(t, token, "late", "push", `{"repository":{"name":"r1"}}`)); err != nil {
			t.Fatal(err)
		}
		if err := r.Erasure.Delete(ctx, r.Tenant); err != nil {
			t.Fatal(err)
		}
		e := erasure.NewErasure(r.Office.Table, r.Accounts)
		if n, err := e.Run(ctx); n != 0 || err != nil {
			t.Errorf("at once, while others may still go by what they remember: %d, %v", n, err)
		}
		time.Sleep(2 * time.Minute)
		if n, err := e.Run(ctx); n == 0 || err != nil {
			t.Errorf("after two minutes: %d, %v", n, err)
		}
		r.AppendAll(t)
		if left := r.Table.Left(r.Tenant); len(left) != 0 {
			t.Errorf("left are %v", left)
		}
		mustAppendAs(t, r.Log, r.Tenant, "github.r1")
		time.Sleep(2 * time.Hour)
		for range 2 {
			if _, err := e.Run(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if left := append(r.Table.Left(r.Tenant), r.Table.Left(tenants.System)...); len(left) != 1 || left[0].Kind != "deployment" {
			t.Errorf("in the end there are %v", left)
		}
	})
}

func mustAppendAs(t *testing.T, l *eventlog.Log, tenant tenants.TenantID, channel string) {
	t.Helper()
	if _, err := l.Append(t.Context(), tenant, channel, []tenants.Event{{ID: tenants.NewID(tenants.PrefixEvent), Time: time.Now()}}); err != nil {
		t.Fatal(err)
	}
}
