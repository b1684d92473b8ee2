package rig

import (
	"context"
	"sync"
	"testing"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/erasure"
	"github.com/hookcast/hookcast/tenants/keyring"
	"github.com/hookcast/hookcast/tenants/source"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// Office has everything that keeps accounts and sources, over one simulated table.
type Office struct {
	Table    *tenantstest.Table
	Told     *told
	News     *account.News
	Accounts *account.Accounts
	Signers  *account.Signers
	Keys     *account.Keys
	Sources  *source.Sources
	Erasure  *erasure.Erasure
	Vault    tenants.Vault
	Deploy   *keyring.Ring
}

// told is an Inboxes that records which nodes were notified of which tenants. The node "nod_gone" is gone.
type told struct {
	mu    sync.Mutex
	Nodes map[string][]tenants.TenantID
}

func (t *told) Send(_ context.Context, node string, ns ...tenants.InboxMessage) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if node == "nod_gone" {
		return tenants.Errorf(tenants.NotFound, "node_gone", "gone")
	}
	for _, n := range ns {
		if n.Channel == "" {
			t.Nodes[node] = append(t.Nodes[node], n.Tenant)
		}
	}
	return nil
}

// Count returns how many notices of tenants the node got.
func (t *told) Count(node string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.Nodes[node])
}

// NewOffice returns an Office over a new table.
func NewOffice(t *testing.T) *Office {
	return OfficeOver(t, tenantstest.NewTable(tenantstest.Faults{}))
}

// OfficeOver returns an Office over the table.
func OfficeOver(t *testing.T, table *tenantstest.Table) *Office {
	t.Helper()
	return OfficeWith(t, table, tenantstest.NewVault())
}

// OfficeWith returns an Office over the table and the vault. Two offices over the same table and vault are two
// processes of one deployment.
func OfficeWith(t *testing.T, table *tenantstest.Table, vault tenants.Vault) *Office {
	t.Helper()
	o := &Office{Table: table, Told: &told{Nodes: make(map[string][]tenants.TenantID)}, Vault: vault}
	var err error
	if o.Deploy, err = keyring.Open(context.Background(), table, o.Vault); err != nil {
		t.Fatal(err)
	}
	o.News = account.NewNews(table, o.Told)
	o.Accounts = account.NewAccounts(table, o.News)
	o.Signers = account.NewSigners(o.Accounts, o.Vault, o.Deploy)
	o.Keys = account.NewKeys(o.Accounts, o.Signers)
	o.Sources = source.NewSources(table, o.Accounts, o.Vault, o.Deploy)
	o.Erasure = erasure.NewErasure(table, o.Accounts)
	return o
}

// SignUp creates a tenant and returns it with its first key and the key's secret.
func (o *Office) SignUp(t *testing.T) (tenants.Tenant, account.APIKey, string) {
	t.Helper()
	ten, key, secret, err := o.Accounts.Signup(context.Background(), "Acme", "ops@example.com")
	if err != nil {
		t.Fatal(err)
	}
	return ten, key, secret
}

// WantError fails the test unless err has the kind and the code.
func WantError(t *testing.T, err error, kind tenants.ErrorKind, code string) {
	t.Helper()
	if err == nil || tenants.KindOf(err) != kind || tenants.CodeOf(err) != code {
		t.Fatalf("got %v (kind %d), want kind %d, code %s", err, tenants.KindOf(err), kind, code)
	}
}

// GithubSource returns the values of a valid source.
func GithubSource() source.Spec {
	return source.Spec{
		Name: "GitHub", Provider: "github", Secret: "It's a Secret to Everybody",
		Channel: "github.{repository.name}", Fallback: "github.other",
	}
}

// Ok returns a function that returns v, and fails the test if err is not nil: rig.Ok(f())(t).
func Ok[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
