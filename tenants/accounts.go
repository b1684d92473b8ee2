package tenants

import (
	"context"
	"maps"
	"slices"
	"time"
)

// Accounts keeps the tenants: who exists, on which plan, with which limits, suspended or not.
type Accounts struct {
	table  Table
	news   *News
	active *Cache[TenantID, account]
}

// account is a tenant with its limits worked out.
type account struct {
	Tenant
	limits Limits
}

// NewAccounts makes an Accounts over t, whose changes news spreads.
func NewAccounts(t Table, news *News) *Accounts {
	return &Accounts{table: t, news: news, active: NewCache[TenantID, account](readTTL, 10_000, 1_000)}
}

// Signup makes a tenant on the default plan and its first key, an owner's, whose secret is returned this once. Nobody
// learns from it whether the email has signed up before.
func (a *Accounts) Signup(ctx context.Context, name, email string) (Tenant, APIKey, string, error) {
	if err := checkName("/name", name); err != nil {
		return Tenant{}, APIKey{}, "", err
	}
	email, err := normalEmail(email)
	if err != nil {
		return Tenant{}, APIKey{}, "", err
	}
	now := time.Now().UTC().Truncate(time.Second)
	t := Tenant{ID: TenantID(NewID(PrefixTenant)), Name: name, Email: email, Plan: DefaultPlan().Name, Created: now}
	key, secret := newAPIKey(t.ID, KeySpec{Name: "owner", Role: RoleOwner}, now)
	ops := []Op{
		Put(tenantKey(t.ID), encodeRecord(t), time.Time{}, Absent()),
		Put(Key{System, rowTenants, string(t.ID)}, emptyRecord, time.Time{}, Absent()),
		Put(versionKey(t.ID), emptyRecord, time.Time{}, Absent()),
	}
	if err := a.table.Write(ctx, append(ops, key.puts(Absent())...)...); err != nil {
		return Tenant{}, APIKey{}, "", err
	}
	return t, key, secret, nil
}

// Get returns the tenant as it is now; one that is being deleted too. No such tenant: NotFound tenant_not_found.
func (a *Accounts) Get(ctx context.Context, id TenantID) (Tenant, error) {
	if !ValidID(PrefixTenant, string(id)) {
		return Tenant{}, tenantNotFound()
	}
	return readRecord[Tenant](ctx, a.table, tenantKey(id), "tenant_not_found", "there is no such tenant")
}

// List returns up to limit (1 to 100) tenants behind after, oldest first, and where to go on: "" at the end.
func (a *Accounts) List(ctx context.Context, after string, limit int) (list []Tenant, next string, err error) {
	limit = pageLimit(limit)
	rows, err := a.table.Query(ctx, Range{Tenant: System, Kind: rowTenants, After: after, Limit: limit})
	if err != nil {
		return nil, "", err
	}
	for _, row := range rows {
		switch t, err := a.Get(ctx, TenantID(row.Sort)); {
		case err == nil:
			list = append(list, t)
		case KindOf(err) != NotFound: // deleted between the two reads
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
func (a *Accounts) Active(ctx context.Context, id TenantID) (Tenant, error) {
	acc, err := a.account(ctx, id)
	return acc.Tenant, err
}

// Limits returns the limits of an active tenant as they were at most 5 s ago; errors as Active's.
func (a *Accounts) Limits(ctx context.Context, id TenantID) (Limits, error) {
	acc, err := a.account(ctx, id)
	return acc.limits, err
}

func (a *Accounts) account(ctx context.Context, id TenantID) (account, error) {
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
		return account{}, Errorf(Forbidden, "tenant_suspended", "the account is suspended")
	}
	return acc, nil
}

// Version is a number that grows with every change of the tenant that goes through Change.
func (a *Accounts) Version(ctx context.Context, id TenantID) (int64, error) {
	return a.news.Version(ctx, id)
}

// Forget makes the next Active and Limits read anew; for whoever receives news.
func (a *Accounts) Forget(id TenantID) { a.active.Forget(id) }

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
func (a *Accounts) Update(ctx context.Context, id TenantID, p TenantPatch) (Tenant, error) {
	return a.UpdateAsOperator(ctx, id, OperatorPatch{TenantPatch: p})
}

// UpdateAsOperator changes what an operator may change. Refused values: Unprocessable.
func (a *Accounts) UpdateAsOperator(ctx context.Context, id TenantID, p OperatorPatch) (Tenant, error) {
	return a.edit(ctx, id, p.apply)
}

func (p OperatorPatch) apply(t *Tenant) error {
	if p.Name != nil {
		if err := checkName("/name", *p.Name); err != nil {
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
		if _, ok := LookupPlan(*p.Plan); !ok {
			return refused("/plan", "plan_unknown", "there is no plan of that name")
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
		if err := checkLimit(name, *n); err != nil {
			return err
		}
		overrides[name] = *n
	}
	t.Overrides = overrides
	return nil
}

// Suspend stops everything of the tenant: its credentials, sources and open streams. Nothing is lost by it.
func (a *Accounts) Suspend(ctx context.Context, id TenantID) (Tenant, error) {
	return a.edit(ctx, id, func(t *Tenant) error { t.Suspended = true; return nil })
}

// Resume undoes Suspend.
func (a *Accounts) Resume(ctx context.Context, id TenantID) (Tenant, error) {
	return a.edit(ctx, id, func(t *Tenant) error { t.Suspended = false; return nil })
}

func (a *Accounts) edit(ctx context.Context, id TenantID, change func(*Tenant) error) (Tenant, error) {
	var t Tenant
	err := a.Change(ctx, id, func(now Tenant) ([]Op, error) {
		t = now
		if err := change(&t); err != nil {
			return nil, err
		}
		return []Op{Put(tenantKey(id), encodeRecord(t), time.Time{}, Anything())}, nil
	})
	if err != nil {
		return Tenant{}, err
	}
	return t, nil
}

func tenantNotFound() *Error { return Errorf(NotFound, "tenant_not_found", "there is no such tenant") }

// Tell lets every node know that something of the tenant's changed that is not in its administrative rows. A node that could not be
// told finds out by the version row.
func (a *Accounts) Tell(ctx context.Context, id TenantID) error { return a.news.Tell(ctx, id) }

func tenantKey(id TenantID) Key { return Key{Tenant: id, Kind: rowTenant} }
