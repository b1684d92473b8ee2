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

// estate fills several channels of the rig's tenant from a new source, and reports the source's token.
func estate(t *testing.T, r *rig.IntakeRig) (token string) {
	t.Helper()
	_, token = r.Source(t, rig.GithubSpec)
	for n := range 30 {
		body := fmt.Sprintf(`{"repository":{"name":"r%d"}}`, n%3)
		if _, err := r.Receiver.Receive(t.Context(), rig.Github(t, token, fmt.Sprint(n), "push", body)); err != nil {
			t.Fatal(err)
		}
	}
	r.AppendAll(t)
	return token
}

func TestErasureLeavesNothingOfADeletedTenantAndAllOfTheOther(t *testing.T) {
	for seed := range uint64(8) {
		synctest.Test(t, func(t *testing.T) {
			ctx := t.Context()
			r := rig.NewIntakeRig(t)
			feed := r.Table.Feed()
			estate(t, r)
			gone, claimed := r.Tenant, r.All(t, "github.r1")
			other, _, _ := r.SignUp(t)
			r.Tenant = other.ID
			estate(t, r)

			index, u := projection.NewEventIndex(r.Table), projection.NewMonthlyUsage(r.Table)
			audit := account.NewAuditLog(r.Table)
			running, stop := context.WithTimeout(ctx, time.Minute)
			go index.Run(running, feed, slog.New(slog.DiscardHandler))
			// counts nothing: the rows of the months are written below
			u.Run(running, r.Table.Feed(), slog.New(slog.DiscardHandler))
			stop()
			for _, id := range []tenants.TenantID{gone, other.ID} {
				old := time.Now().AddDate(0, -3, 0)
				rig.Count(t, u, rig.Logged(id, "c", 1, time.Now()), rig.Logged(id, "c", 2, old))
				if err := audit.Add(ctx, account.AuditEntry{Time: time.Now(), Action: "x"}, id); err != nil {
					t.Fatal(err)
				}
			}
			whole := r.Table.Left(other.ID)

			if err := r.Erasure.Delete(ctx, gone); err != nil {
				t.Fatal(err)
			}
			// From here on calls fail, before or after they take effect, so each run stops somewhere.
			r.Table.Turn(tenantstest.Faults{Seed: seed, Lost: 0.1, Stored: 0.1, Unread: 0.1})
			e := erasure.NewErasure(r.Office.Table, r.Accounts)
			for range 200 {
				_, _ = e.Run(ctx)
				time.Sleep(time.Minute)
			}
			r.Table.Turn(tenantstest.Faults{})
			if left := r.Table.Left(gone); len(left) != 0 {
				t.Errorf("seed %d: got %v left of the deleted tenant, want nothing", seed, left)
			}
			if _, err := r.Log.Event(ctx, gone, claimed[0].ID, tenants.Retention{}); !tenants.IsNotFound(err) {
				t.Errorf("seed %d: an event of the deleted tenant: got %v, want NotFound", seed, err)
			}
			for _, k := range r.Table.Left(tenants.System) {
				if strings.Contains(k.Sort, string(gone)) {
					t.Errorf("seed %d: got %v left, want no row that names the deleted tenant", seed, k)
				}
			}
			if now := r.Table.Left(other.ID); fmt.Sprint(now) != fmt.Sprint(whole) {
				t.Errorf("seed %d: got %d rows of the other tenant, want the %d from before", seed, len(now),
					len(whole))
			}
		})
	}
}

// Messages that wait in the queue when their tenant is deleted are dropped, and rows that a frozen worker appends after
// the erasure are erased, too.
func TestAQueueOfADeletedTenantIsDrained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		r := rig.NewIntakeRig(t)
		r.Tenants = r.Accounts
		late := rig.Github(t, estate(t, r), "late", "push", `{"repository":{"name":"r1"}}`)
		if _, err := r.Receiver.Receive(ctx, late); err != nil {
			t.Fatal(err)
		}
		if err := r.Erasure.Delete(ctx, r.Tenant); err != nil {
			t.Fatal(err)
		}
		e := erasure.NewErasure(r.Office.Table, r.Accounts)
		if n, err := e.Run(ctx); n != 0 || err != nil {
			t.Errorf("at once, while caches may still be in use: erased %d rows (%v), want none", n, err)
		}
		time.Sleep(2 * time.Minute)
		if n, err := e.Run(ctx); n == 0 || err != nil {
			t.Errorf("after two minutes: erased %d rows (%v), want some", n, err)
		}
		r.AppendAll(t)
		if left := r.Table.Left(r.Tenant); len(left) != 0 {
			t.Errorf("got %v left, want nothing", left)
		}
		mustAppendAs(t, r.Log, r.Tenant, "github.r1")
		time.Sleep(2 * time.Hour)
		for range 2 {
			if _, err := e.Run(ctx); err != nil {
				t.Fatal(err)
			}
		}
		left := append(r.Table.Left(r.Tenant), r.Table.Left(tenants.System)...)
		if len(left) != 1 || left[0].Kind != "deployment" {
			t.Errorf("got %v left in the end, want the deployment's row alone", left)
		}
	})
}

func mustAppendAs(t *testing.T, l *eventlog.Log, tenant tenants.TenantID, channel string) {
	t.Helper()
	e := tenants.Event{ID: tenants.NewID(tenants.PrefixEvent), Time: time.Now()}
	if _, err := l.Append(t.Context(), tenant, channel, []tenants.Event{e}); err != nil {
		t.Fatal(err)
	}
}
