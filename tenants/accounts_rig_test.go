package tenants_test

import (
	"context"
	"sync"
	"testing"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// office is everything that keeps accounts, over one simulated table.
type office struct {
	table    *tenantstest.Table
	told     *told
	news     *tenants.News
	accounts *tenants.Accounts
	signers  *tenants.Signers
	keys     *tenants.Keys
	sources  *tenants.Sources
	erasure  *tenants.Erasure
	vault    tenants.Vault
	deploy   *tenants.Deployment
}

// told is an Inboxes that remembers who was told of which tenants. Node "nod_gone" is gone.
type told struct {
	mu    sync.Mutex
	nodes map[string][]tenants.TenantID
}

func (t *told) Send(_ context.Context, node string, ns ...tenants.Notice) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if node == "nod_gone" {
		return tenants.Errorf(tenants.NotFound, "node_gone", "gone")
	}
	for _, n := range ns {
		if n.Channel == "" {
			t.nodes[node] = append(t.nodes[node], n.Tenant)
		}
	}
	return nil
}

func (t *told) count(node string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.nodes[node])
}

func newOffice(t *testing.T) *office {
	return officeOver(t, tenantstest.NewTable(tenantstest.Faults{}))
}

func officeOver(t *testing.T, table *tenantstest.Table) *office {
	t.Helper()
	return officeWith(t, table, tenantstest.NewVault())
}

// officeWith makes an office, another process of the same deployment where table and vault are another office's.
func officeWith(t *testing.T, table *tenantstest.Table, vault tenants.Vault) *office {
	t.Helper()
	o := &office{table: table, told: &told{nodes: make(map[string][]tenants.TenantID)}, vault: vault}
	var err error
	if o.deploy, err = tenants.OpenDeployment(context.Background(), table, o.vault); err != nil {
		t.Fatal(err)
	}
	o.news = tenants.NewNews(table, o.told)
	o.accounts = tenants.NewAccounts(table, o.news)
	o.signers = tenants.NewSigners(o.accounts, o.vault, o.deploy)
	o.keys = tenants.NewKeys(o.accounts, o.signers)
	o.sources = tenants.NewSources(table, o.accounts, o.vault, o.deploy)
	o.erasure = tenants.NewErasure(table, o.accounts)
	return o
}

// signUp makes a tenant and returns its owner's key.
func (o *office) signUp(t *testing.T) (tenants.Tenant, tenants.APIKey, string) {
	t.Helper()
	ten, key, secret, err := o.accounts.Signup(context.Background(), "Acme", "ops@example.com")
	if err != nil {
		t.Fatal(err)
	}
	return ten, key, secret
}

// wantError fails unless err is of that kind and code.
func wantError(t *testing.T, err error, kind tenants.ErrorKind, code string) {
	t.Helper()
	if err == nil || tenants.KindOf(err) != kind || tenants.CodeOf(err) != code {
		t.Fatalf("got %v (kind %d), want kind %d, code %s", err, tenants.KindOf(err), kind, code)
	}
}

func ok[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
