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

// Accounts keeps the tenants, their plans and limits, and whether they are suspended.
type Accounts struct {
	table  tenants.Table
	news   *News
	active *cache.Cache[tenants.TenantID, account]
}

// account is a tenant with its effective limits.
type account struct {
	tenants.Tenant
	limits tenants.Limits
}

// NewAccounts returns an Accounts over t. It announces changes by news.
func NewAccounts(t tenants.Table, news *News) *Accounts {
	return &Accounts{table: t, news: news, active: cache.New[tenants.TenantID, account](cache.ReadTTL, 10_000, 1_000)}
}

// Signup creates a tenant on the default plan and its first API key, of RoleOwner, and returns the key's secret,
// which is not shown again. It accepts an email that has signed up before, so that the answer does not tell who is a
// customer. Refused values: Unprocessable.
func (a *Accounts) Signup(ctx context.Context, name, email string) (tenants.Tenant, APIKey, string, error) {
	if err := tenants.CheckName("/name", name); err != nil {
		return tenants.Tenant{}, APIKey{}, "", err
	}
	email, err := normalEmail(email)
	if err != nil {
		return tenants.Tenant{}, APIKey{}, "", err
	}
	now := time.Now().UTC().Truncate(time.Second)
	t := tenants.Tenant{ID: tenants.TenantID(tenants.NewID(tenants.PrefixTenant)), Name: name, Email: email,
		Plan: tenants.DefaultPlan().Name, Created: now}
	key, secret := newAPIKey(t.ID, KeySpec{Name: "owner", Role: tenants.RoleOwner}, now)
	ops := []tenants.Op{
		tenants.Put(tenantKey(t.ID), record.Encode(t), time.Time{}, tenants.Absent()),
		tenants.Put(tenants.Key{Tenant: tenants.System, Kind: rowTenants, Sort: string(t.ID)}, record.Empty,
			time.Time{}, tenants.Absent()),
		tenants.Put(tenants.VersionKey(t.ID), record.Empty, time.Time{}, tenants.Absent()),
	}
	if err := a.table.Write(ctx, append(ops, key.puts(tenants.Absent())...)...); err != nil {
		return tenants.Tenant{}, APIKey{}, "", err
	}
	return t, key, secret, nil
}

// Get returns the current tenant, even one that is being deleted. Unknown: NotFound tenant_not_found.
func (a *Accounts) Get(ctx context.Context, id tenants.TenantID) (tenants.Tenant, error) {
	if !tenants.ValidID(tenants.PrefixTenant, string(id)) {
		return tenants.Tenant{}, tenantNotFound()
	}
	return record.Read[tenants.Tenant](ctx, a.table, tenantKey(id), tenantNotFound().Code, tenantNotFound().Detail)
}

// List returns up to limit (1 to 100) tenants after the id after, oldest first, and the after of the next page: "" at
// the end. A page can be short.
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
		case !tenants.IsNotFound(err): // not found: deleted between the two reads
			return nil, "", err
		}
	}
	if len(rows) == limit {
		next = rows[limit-1].Sort
	}
	return list, next, nil
}

// Active returns the tenant as it was at most 5 s ago, if it may act. A suspended one: Forbidden tenant_suspended;
// one that is unknown or being deleted: NotFound tenant_not_found.
func (a *Accounts) Active(ctx context.Context, id tenants.TenantID) (tenants.Tenant, error) {
	acc, err := a.account(ctx, id)
	return acc.Tenant, err
}

// Limits returns the limits of an active tenant as they were at most 5 s ago. Its errors are those of Active.
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

// Version returns a number that grows with every change of the tenant; 0 if there is no version yet.
func (a *Accounts) Version(ctx context.Context, id tenants.TenantID) (int64, error) {
	return a.news.Version(ctx, id)
}

// Forget drops the cached tenant. Receivers of news call it.
func (a *Accounts) Forget(id tenants.TenantID) { a.active.Forget(id) }

// TenantPatch is a change that a tenant makes to itself. A nil field leaves the value as it is.
type TenantPatch struct {
	Name    *string
	Origins *[]string
}

// OperatorPatch is a change that an operator makes to a tenant.
type OperatorPatch struct {
	TenantPatch
	Plan   *string
	Limits map[string]*int64 // overrides by the limits' names in the API; a nil value removes one
}

// Update applies p. Refused values: Unprocessable.
func (a *Accounts) Update(ctx context.Context, id tenants.TenantID, p TenantPatch) (tenants.Tenant, error) {
	return a.UpdateAsOperator(ctx, id, OperatorPatch{TenantPatch: p})
}

// UpdateAsOperator applies p. Refused values: Unprocessable.
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
			return tenants.Refused("/plan", "plan_unknown", "there is no plan with this name")
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

// Suspend stops the tenant's credentials, sources and open streams. It deletes nothing.
func (a *Accounts) Suspend(ctx context.Context, id tenants.TenantID) (tenants.Tenant, error) {
	return a.edit(ctx, id, func(t *tenants.Tenant) error { t.Suspended = true; return nil })
}

// Resume undoes Suspend.
func (a *Accounts) Resume(ctx context.Context, id tenants.TenantID) (tenants.Tenant, error) {
	return a.edit(ctx, id, func(t *tenants.Tenant) error { t.Suspended = false; return nil })
}

// SetTracing turns tracing on for the time lasts (at most tenants.MaxTracing), or off if sample is 0. It takes
// effect in every process within 5 s. Refused values: Unprocessable.
func (a *Accounts) SetTracing(ctx context.Context, id tenants.TenantID, sample float64, lasts time.Duration,
) (tenants.Tracing, error) {
	var set tenants.Tracing
	if sample != 0 {
		switch {
		case !(sample > 0 && sample <= 1):
			return set, tenants.Refused("/sample", "invalid_sample", "sample must be above 0 and at most 1")
		case lasts <= 0 || lasts > tenants.MaxTracing:
			return set, tenants.Refused("/minutes", "invalid_minutes", "minutes must be 1 to 60")
		}
		now := time.Now().UTC()
		set = tenants.Tracing{Since: now, Until: now.Add(lasts), Sample: sample}
	}
	_, err := a.edit(ctx, id, func(t *tenants.Tenant) error {
		if was := t.Tracing; was.On(set.Since) && set.On(set.Since) {
			set.Since = was.Since
		}
		t.Tracing = set
		return nil
	})
	return set, err
}

// edit applies change to the tenant's record.
func (a *Accounts) edit(ctx context.Context, id tenants.TenantID, change func(*tenants.Tenant) error,
) (tenants.Tenant, error) {
	var t tenants.Tenant
	err := a.Change(ctx, id, func(now tenants.Tenant) ([]tenants.Op, error) {
		t = now
		if err := change(&t); err != nil {
			return nil, err
		}
		return []tenants.Op{tenants.Put(tenantKey(id), record.Encode(t), time.Time{}, tenants.Anything())}, nil
	})
	return t, err
}

func tenantNotFound() *tenants.Error {
	return tenants.Errorf(tenants.NotFound, "tenant_not_found", "there is no such tenant")
}

// Tell announces a change of the tenant that was not made by Change. See News.Tell.
func (a *Accounts) Tell(ctx context.Context, id tenants.TenantID) error { return a.news.Tell(ctx, id) }

func tenantKey(id tenants.TenantID) tenants.Key { return tenants.Key{Tenant: id, Kind: rowTenant} }

const (
	rowTenant  tenants.Kind = "tenant"       // {tenant}, ""
	rowTenants tenants.Kind = "list/tenants" // sys, tenant id
)
