package access_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

type nobody struct{}

func (nobody) Send(context.Context, string, ...tenants.InboxMessage) error { return nil }

func TestStoredPolicyDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table, ctx := tenantstest.NewTable(tenantstest.Faults{}), context.Background()
		accounts := account.NewAccounts(table, account.NewNews(table, nobody{}))
		ten, _, _, err := accounts.Signup(ctx, "Acme", "ops@example.com")
		if err != nil {
			t.Fatal(err)
		}
		stored := access.NewPolicies(table, accounts)
		g, err := access.NewGate(stored)
		if err != nil {
			t.Fatal(err)
		}
		p := tenants.Principal{Tenant: ten.ID, Roles: []string{"editor"}}
		if allowed(t, g, p, "channel:x", access.Publish) {
			t.Fatal("allowed without a row")
		}
		version, err := stored.Set(ctx, ten.ID, []access.Rule{right("role:editor", "channel:*", "publish", "allow")}, 0)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(5*time.Second + time.Millisecond) // no news arrived
		if !allowed(t, g, p, "channel:x", access.Publish) {
			t.Error("the new rows have no effect after 5 s")
		}
		got, at, err := stored.Policies(ctx, ten.ID)
		if err != nil || at != version || len(got) != 1 ||
			got[0] != right("role:editor", "channel:*", "publish", "allow") {
			t.Errorf("stored %v at version %d, %v; Set returned %d", got, at, err, version)
		}
		_, err = stored.Set(ctx, ten.ID, nil, 0)
		if tenants.KindOf(err) != tenants.Conflict || tenants.CodeOf(err) != "policy_changed" {
			t.Errorf("an outdated version: got %v, want policy_changed", err)
		}
		_, err = stored.Set(ctx, ten.ID, []access.Rule{right("role:owner", "channel:*", "publish", "deny")}, version)
		if tenants.CodeOf(err) != "invalid_policy" {
			t.Errorf("a bad row: got %v, want invalid_policy", err)
		}
		next, err := stored.Set(ctx, ten.ID, nil, version)
		if err != nil || next == version {
			t.Errorf("cleared at version %d, %v", next, err)
		}
		g.Forget(ten.ID)
		if allowed(t, g, p, "channel:x", access.Publish) {
			t.Error("cleared rows still have an effect")
		}
	})
}

func TestOneOfManyWritersOfAPolicyWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table, ctx := tenantstest.NewTable(tenantstest.Faults{Seed: 4, Latency: 2 * time.Millisecond}),
			context.Background()
		accounts := account.NewAccounts(table, account.NewNews(table, nobody{}))
		ten, _, _, err := accounts.Signup(ctx, "Acme", "ops@example.com")
		if err != nil {
			t.Fatal(err)
		}
		stored := access.NewPolicies(table, accounts)
		var mu sync.Mutex
		won := 0
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				_, err := stored.Set(ctx, ten.ID, []access.Rule{right("role:x", "channel:*", "read", "allow")}, 0)
				if err != nil && tenants.KindOf(err) != tenants.Conflict {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				}
			})
		}
		wg.Wait()
		if won != 1 {
			t.Errorf("%d of six concurrent changes succeeded, want one", won)
		}
	})
}
