package account

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/cache"
	"github.com/hookcast/hookcast/tenants/record"
)

// Accounts keeps the tenants: who exists, on which plan, with which limits, suspended or not.
type Accounts struct {
	table  tenants.Table
	news   *News
	active *cache.Cache[tenants.TenantID, account]
}

// account is a tenant with its limits worked out.
type account struct {
	tenants.Tenant
	limits tenants.Limits
}

// NewAccounts makes an Accounts over t, whose changes news spreads.
func NewAccounts(t tenants.Table, news *News) *Accounts {
	return &Accounts{table: t, news: news, active: cache.New[tenants.TenantID, account](cache.ReadTTL, 10_000, 1_000)}
}

// Signup makes a tenant on the default plan and its first key, an owner's, whose secret is returned this once. Nobody
// learns from it whether the email has signed up before.
func (a *Accounts) Signup(ctx context.Context, name, email string) (tenants.Tenant, APIKey, string, error) {
	if err := tenants.CheckName("/name", name); err != nil {
		return tenants.Tenant{}, APIKey{}, "", err
	}
	email, err := normalEmail(email)
	if err != nil {
		return tenants.Tenant{}, APIKey{}, "", err
	}
	now := time.Now().UTC().Truncate(time.Second)
	t := tenants.Tenant{ID: tenants.TenantID(tenants.NewID(tenants.PrefixTenant)), Name: name, Email: email, Plan: tenants.DefaultPlan().Name, Created: now}
	key, secret := newAPIKey(t.ID, KeySpec{Name: "owner", Role: tenants.RoleOwner}, now)
	ops := []tenants.Op{
		tenants.Put(tenantKey(t.ID), record.Encode(t), time.Time{}, tenants.Absent()),
		tenants.Put(tenants.Key{Tenant: tenants.System, Kind: rowTenants, Sort: string(t.ID)}, record.Empty, time.Time{}, tenants.Absent()),
		tenants.Put(tenants.VersionKey(t.ID), record.Empty, time.Time{}, tenants.Absent()),
	}
	if err := a.table.Write(ctx, append(ops, key.puts(tenants.Absent())...)...); err != nil {
		return tenants.Tenant{}, APIKey{}, "", err
	}
	return t, key, secret, nil
}

// Get returns the tenant as it is now; one that is being deleted too. No such tenant: NotFound tenant_not_found.
func (a *Accounts) Get(ctx context.Context, id tenants.TenantID) (tenants.Tenant, error) {
	if !tenants.ValidID(tenants.PrefixTenant, string(id)) {
		return tenants.Tenant{}, tenantNotFound()
	}
	return record.Read[tenants.Tenant](ctx, a.table, tenantKey(id), "tenant_not_found", "there is no such tenant")
}

// List returns up to limit (1 to 100) tenants behind after, oldest first, and where to go on: "" at the end.
func (a *Accounts) List(ctx context.Context, after string, limit int) (list []tenants.Tenant, next string, err error) {
	limit = record.PageLimit(limit)
	rows, err := a.table.Query(ctx, tenants.Range{Tenant: tenants.System, Kind: rowTenants, After: after, Limit: limit})
	if err != nil {
		return nil, "", err
	}
	for _, row := range rows {
		switch t, err := a.Get(ctx, tenants.TenantID(row.Sort)); {
		case err == nil:
			list = append(list, t)
		case tenants.KindOf(err) != tenants.NotFound: // deleted between the two reads
			return nil, "", err
		}
	}
	if len(rows) == limit {
		next = rows[limit-1].Sort
	}
	return list, next, nil
}

// Active returns the tenant as it was at most 5 s ago, if its credentials count: Forbidden tenant_suspended, NotFound
// tenant_not_found.
func (a *Accounts) Active(ctx context.Context, id tenants.TenantID) (tenants.Tenant, error) {
	acc, err := a.account(ctx, id)
	return acc.Tenant, err
}

// Limits returns the limits of an active tenant as they were at most 5 s ago; errors as Active's.
func (a *Accounts) Limits(ctx context.Context, id tenants.TenantID) (tenants.Limits, error) {
	acc, err := a.account(ctx, id)
	return acc.limits, err
}

func (a *Accounts) account(ctx context.Context, id tenants.TenantID) (account, error) {
	acc, err := a.active.Get(ctx, id, func(ctx context.Context) (account, error) {
		t, err := a.Get(ctx, id)
		return account{t, t.Limits()}, err
	})
	switch {
	case err != nil:
		return account{}, err
	case acc.Closing:
		return account{}, tenantNotFound()
	case acc.Suspended:
		return account{}, tenants.Errorf(tenants.Forbidden, "tenant_suspended", "the account is suspended")
	}
	return acc, nil
}

// Version is a number that grows with every change of the tenant that goes through Change.
func (a *Accounts) Version(ctx context.Context, id tenants.TenantID) (int64, error) {
	return a.news.Version(ctx, id)
}

// Forget makes the next Active and Limits read anew; for whoever receives news.
func (a *Accounts) Forget(id tenants.TenantID) { a.active.Forget(id) }

// TenantPatch changes what it names and leaves the rest.
type TenantPatch struct {
	Name    *string
	Origins *[]string
}

// OperatorPatch is what an operator may change besides.
type OperatorPatch struct {
	TenantPatch
	Plan   *string
	Limits map[string]*int64 // by the limits' names in the API; nil takes the override away
}

// Update changes what a tenant may change of itself. Refused values: Unprocessable.
func (a *Accounts) Update(ctx context.Context, id tenants.TenantID, p TenantPatch) (tenants.Tenant, error) {
	return a.UpdateAsOperator(ctx, id, OperatorPatch{TenantPatch: p})
}

// UpdateAsOperator changes what an operator may change. Refused values: Unprocessable.
func (a *Accounts) UpdateAsOperator(ctx context.Context, id tenants.TenantID, p OperatorPatch) (tenants.Tenant, error) {
	return a.edit(ctx, id, p.apply)
}

func (p OperatorPatch) apply(t *tenants.Tenant) error {
	if p.Name != nil {
		if err := tenants.CheckName("/name", *p.Name); err != nil {
			return err
		}
		t.Name = *p.Name
	}
	if p.Origins != nil {
		if err := checkOrigins(*p.Origins); err != nil {
			return err
		}
		t.Origins = slices.Clone(*p.Origins)
	}
	if p.Plan != nil {
		if _, ok := tenants.LookupPlan(*p.Plan); !ok {
			return tenants.Refused("/plan", "plan_unknown", "there is no plan of that name")
		}
		t.Plan = *p.Plan
	}
	overrides := make(map[string]int64)
	maps.Copy(overrides, t.Overrides)
	for name, n := range p.Limits {
		if n == nil {
			delete(overrides, name)
			continue
		}
		if err := tenants.CheckLimit(name, *n); err != nil {
			return err
		}
		overrides[name] = *n
	}
	t.Overrides = overrides
	return nil
}

// Suspend stops everything of the tenant: its credentials, sources and open streams. Nothing is lost by it.
func (a *Accounts) Suspend(ctx context.Context, id tenants.TenantID) (tenants.Tenant, error) {
	return a.edit(ctx, id, func(t *tenants.Tenant) error { t.Suspended = true; return nil })
}

// Resume undoes Suspend.
func (a *Accounts) Resume(ctx context.Context, id tenants.TenantID) (tenants.Tenant, error) {
	return a.edit(ctx, id, func(t *tenants.Tenant) error { t.Suspended = false; return nil })
}

func (a *Accounts) edit(ctx context.Context, id tenants.TenantID, change func(*tenants.Tenant) error) (tenants.Tenant, error) {
	var t tenants.Tenant
	err := a.Change(ctx, id, func(now tenants.Tenant) ([]tenants.Op, error) {
		t = now
		if err := change(&t); err != nil {
			return nil, err
		}
		return []tenants.Op{tenants.Put(tenantKey(id), record.Encode(t), time.Time{}, tenants.Anything())}, nil
	})
	if err != nil {
		return tenants.Tenant{}, err
	}
	return t, nil
}

func tenantNotFound() *tenants.Error {
	return tenants.Errorf(tenants.NotFound, "tenant_not_found", "there is no such tenant")
}

// Tell lets every node know that something of the tenant's changed that is not in its administrative rows. A node that could not be
// told finds out by the version row.
func (a *Accounts) Tell(ctx context.Context, id tenants.TenantID) error { return a.news.Tell(ctx, id) }

func tenantKey(id tenants.TenantID) tenants.Key { return tenants.Key{Tenant: id, Kind: rowTenant} }

const rowTenant tenants.Kind = "tenant" // {tenant}, ""

const rowTenants tenants.Kind = "list/tenants" // sys, tenant id
