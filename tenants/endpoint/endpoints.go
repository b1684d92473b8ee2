package endpoint

import (
	"context"
	"slices"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/cache"
	"github.com/hookcast/hookcast/tenants/keyring"
	"github.com/hookcast/hookcast/tenants/record"
)

// Endpoints keeps the endpoints of all tenants and makes the requests to them.
type Endpoints struct {
	table        tenants.Table
	accounts     *account.Accounts
	vault        tenants.Vault
	filter       tenants.Filter
	destinations tenants.Destinations
	challenges   keyring.DerivedKey // derives the ownership challenges
	challenge    bool
	opened       *cache.Cache[string, openEndpoint] // by a hash of the sealed values
}

// Options configures Endpoints.
type Options struct {
	Filter       tenants.Filter       // nil: endpoints with a filter match nothing and cannot be created
	Destinations tenants.Destinations // nil: URLs cannot be set; a process that only delivers needs none
	Challenge    bool                 // URLs must pass the ownership challenge; off only for development
}

// NewEndpoints returns an Endpoints.
func NewEndpoints(t tenants.Table, a *account.Accounts, v tenants.Vault, d *keyring.Ring, o Options) *Endpoints {
	return &Endpoints{
		table: t, accounts: a, vault: v, filter: o.Filter, destinations: o.Destinations, challenges: d.Challenges(),
		challenge: o.Challenge, opened: cache.New[string, openEndpoint](cache.ReadTTL, 10_000, 0),
	}
}

// Create creates an endpoint and returns the key that its receiver verifies with. Refused values: Unprocessable. Over
// the tenant's limit: TooMany endpoint_limit; over MaxPerHost: TooMany endpoint_host_limit.
func (s *Endpoints) Create(ctx context.Context, tenant tenants.TenantID, spec Spec) (Endpoint, Key, error) {
	now := time.Now().UTC()
	e := Endpoint{
		ID: tenants.NewID(tenants.PrefixEndpoint), Tenant: tenant, Name: spec.Name, Filter: spec.Filter,
		Channels: slices.Clone(spec.Channels), Types: slices.Clone(spec.Types), Ordered: spec.Ordered,
		PerSecond: spec.PerSecond, Concurrency: spec.Concurrency, Schedule: slices.Clone(spec.Schedule), Created: now,
	}
	s.enable(&e, now)
	if err := e.check(s.filter); err != nil {
		return Endpoint{}, Key{}, err
	}
	var err error
	if e.URL, err = s.checkURL(ctx, spec.URL); err != nil {
		return Endpoint{}, Key{}, err
	}
	if err := s.sealHeaders(ctx, &e, spec.Headers); err != nil {
		return Endpoint{}, Key{}, err
	}
	made, key, err := s.newSecret(ctx, e, spec.SecretScheme, spec.Secret)
	if err != nil {
		return Endpoint{}, Key{}, err
	}
	e.Secrets = []Secret{made}
	err = s.accounts.Change(ctx, tenant, func(t tenants.Tenant) ([]tenants.Op, error) {
		all, err := s.All(ctx, tenant)
		if err != nil {
			return nil, err
		}
		limit := maxEndpoints
		if n := t.Limits().Endpoints; n > 0 {
			limit = min(limit, n)
		}
		if len(all) >= limit {
			return nil, tenants.Errorf(tenants.TooMany, "endpoint_limit", "the plan allows %d endpoints", limit)
		}
		if err := checkHost(all, e); err != nil {
			return nil, err
		}
		return []tenants.Op{e.put()}, nil
	})
	if err != nil {
		return Endpoint{}, Key{}, err
	}
	return e, key, nil
}

func (s *Endpoints) checkURL(ctx context.Context, raw string) (string, error) {
	if s.destinations == nil {
		return "", tenants.Errorf(tenants.Internal, "no_destinations", "this process cannot set URLs")
	}
	return s.destinations.CheckURL(ctx, raw)
}

// checkHost refuses e if the tenant has MaxPerHost other endpoints at its host.
func checkHost(all []Endpoint, e Endpoint) error {
	host, n := e.Host(), 0
	for _, other := range all {
		if other.ID != e.ID && other.Host() == host {
			n++
		}
	}
	if n >= MaxPerHost {
		return tenants.Errorf(tenants.TooMany, "endpoint_host_limit",
			"an account can have at most %d endpoints at one host", MaxPerHost)
	}
	return nil
}

// Get returns one endpoint. Unknown: NotFound endpoint_not_found.
func (s *Endpoints) Get(ctx context.Context, tenant tenants.TenantID, id string) (Endpoint, error) {
	const code, detail = "endpoint_not_found", "there is no such endpoint"
	if !tenants.ValidID(tenants.PrefixEndpoint, id) {
		return Endpoint{}, tenants.Errorf(tenants.NotFound, code, detail)
	}
	return record.Read[Endpoint](ctx, s.table, Endpoint{Tenant: tenant, ID: id}.row(), code, detail)
}

// List returns up to limit (1 to 100) endpoints after the id after, oldest first, and the after of the next page: ""
// at the end.
func (s *Endpoints) List(ctx context.Context, tenant tenants.TenantID, after string, limit int,
) ([]Endpoint, string, error) {
	return record.List[Endpoint](ctx, s.table, tenant, rowEndpoints, after, record.PageLimit(limit))
}

// All returns every endpoint of the tenant, oldest first, in one query.
func (s *Endpoints) All(ctx context.Context, tenant tenants.TenantID) ([]Endpoint, error) {
	all, _, err := record.List[Endpoint](ctx, s.table, tenant, rowEndpoints, "", maxEndpoints)
	return all, err
}

// Patch applies p. Refused values: Unprocessable; over MaxPerHost: TooMany endpoint_host_limit. A new URL must pass the
// ownership challenge again.
func (s *Endpoints) Patch(ctx context.Context, tenant tenants.TenantID, id string, p Patch) (Endpoint, error) {
	if p.URL != nil { // before the change, which may be retried
		checked, err := s.checkURL(ctx, *p.URL)
		if err != nil {
			return Endpoint{}, err
		}
		p.URL = &checked
	}
	return s.edit(ctx, tenant, id, func(e *Endpoint) error {
		record.Set(&e.Name, p.Name)
		record.Set(&e.Channels, p.Channels)
		record.Set(&e.Types, p.Types)
		record.Set(&e.Filter, p.Filter)
		record.Set(&e.Ordered, p.Ordered)
		record.Set(&e.PerSecond, p.PerSecond)
		record.Set(&e.Concurrency, p.Concurrency)
		record.Set(&e.Schedule, p.Schedule)
		if err := e.check(s.filter); err != nil {
			return err
		}
		if p.Headers != nil {
			if err := s.sealHeaders(ctx, e, *p.Headers); err != nil {
				return err
			}
		}
		if p.URL == nil || *p.URL == e.URL {
			return nil
		}
		e.URL = *p.URL
		if e.State != Disabled {
			s.enable(e, time.Now())
		}
		all, err := s.All(ctx, tenant)
		if err != nil {
			return err
		}
		return checkHost(all, *e)
	})
}

// Delete deletes an endpoint with its secrets.
func (s *Endpoints) Delete(ctx context.Context, tenant tenants.TenantID, id string) error {
	return s.accounts.Change(ctx, tenant, func(tenants.Tenant) ([]tenants.Op, error) {
		e, err := s.Get(ctx, tenant, id)
		if err != nil {
			return nil, err
		}
		return []tenants.Op{tenants.Delete(e.row(), tenants.Anything())}, nil
	})
}

// edit applies change to an endpoint and writes it. It may call change again if another change came first.
func (s *Endpoints) edit(ctx context.Context, tenant tenants.TenantID, id string, change func(*Endpoint) error,
) (Endpoint, error) {
	var e Endpoint
	err := s.accounts.Change(ctx, tenant, func(tenants.Tenant) (ops []tenants.Op, err error) {
		if e, err = s.Get(ctx, tenant, id); err != nil {
			return nil, err
		}
		now := time.Now()
		e.Secrets = slices.DeleteFunc(e.Secrets, func(x Secret) bool { return tenants.Ended(x.NotAfter, now) })
		if err := change(&e); err != nil {
			return nil, err
		}
		return []tenants.Op{e.put()}, nil
	})
	return e, err
}

const rowEndpoints tenants.Kind = "list/endpoints" // {tenant}, endpoint id
