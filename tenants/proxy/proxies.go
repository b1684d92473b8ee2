package proxy

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/cache"
	"github.com/hookcast/hookcast/tenants/record"
)

const maxProxies = 500 // of a tenant

// Proxies stores proxies and makes their calls.
type Proxies struct {
	table        tenants.Table
	accounts     *account.Accounts
	vault        tenants.Vault
	destinations tenants.Destinations
	opened       *cache.Cache[cacheKey, openProxy]
}

type cacheKey struct {
	tenant tenants.TenantID
	id     string
}

// openProxy is a proxy with its request in clear.
type openProxy struct {
	Proxy
	request request
}

// NewProxies returns a Proxies. A process that does not create or change proxies may pass nil for d.
func NewProxies(t tenants.Table, a *account.Accounts, v tenants.Vault, d tenants.Destinations) *Proxies {
	return &Proxies{
		table: t, accounts: a, vault: v, destinations: d,
		opened: cache.New[cacheKey, openProxy](cache.ReadTTL, 10_000, 1_000),
	}
}

// Create creates a proxy. It fails with Unprocessable for a value that is not allowed, and with TooMany proxy_limit if
// the tenant has 500 proxies.
func (s *Proxies) Create(ctx context.Context, tenant tenants.TenantID, spec Spec) (Proxy, error) {
	p, r := spec.proxy(tenant)
	if err := s.check(ctx, &p, &r); err != nil {
		return Proxy{}, err
	}
	p.describe(r)
	if err := s.seal(ctx, &p, r); err != nil {
		return Proxy{}, err
	}
	err := s.accounts.Change(ctx, tenant, func(tenants.Tenant) ([]tenants.Op, error) {
		n, err := record.Count(ctx, s.table, tenant, rowProxies, maxProxies)
		if err != nil {
			return nil, err
		}
		if n >= maxProxies {
			return nil, tenants.Errorf(tenants.TooMany, "proxy_limit", "the account must have at most %d proxies",
				maxProxies)
		}
		return []tenants.Op{p.put()}, nil
	})
	if err != nil {
		return Proxy{}, err
	}
	return p, nil
}

// proxy returns a new proxy and its request, as the spec says.
func (spec Spec) proxy(tenant tenants.TenantID) (Proxy, secretRequest) {
	p := Proxy{
		ID: tenants.NewID(tenants.PrefixProxy), Tenant: tenant, Name: spec.Name, Method: spec.Method,
		BodyMediaType: spec.BodyMediaType, Parameters: maps.Clone(spec.Parameters), Share: spec.Share,
		Channel: spec.Channel, Redirects: spec.Redirects, Limits: spec.Limits, Revision: 1,
		Created: time.Now().UTC().Truncate(time.Second),
	}
	r := secretRequest{URL: spec.URL, Headers: maps.Clone(spec.Headers)}
	if spec.Body != nil {
		r.Body = append([]byte{}, *spec.Body...)
	}
	if p.Method == "" {
		p.Method = "GET"
		if r.Body != nil {
			p.Method = "POST"
		}
	}
	p.Reconnect = p.Method == "GET"
	record.Set(&p.Reconnect, spec.Reconnect)
	return p, r
}

// describe sets the parts of the request that may be shown.
func (p *Proxy) describe(r secretRequest) {
	p.Shown, p.HeaderNames = shownURL(r.URL), slices.Sorted(maps.Keys(r.Headers))
}

func notFound() error {
	return tenants.Errorf(tenants.NotFound, "proxy_not_found", "there is no such proxy")
}

// Get returns a proxy. It fails with NotFound proxy_not_found.
func (s *Proxies) Get(ctx context.Context, tenant tenants.TenantID, id string) (Proxy, error) {
	if !tenants.ValidID(tenants.PrefixProxy, id) {
		return Proxy{}, notFound()
	}
	p, was, err := record.Find[Proxy](ctx, s.table, tenants.Key{Tenant: tenant, Kind: rowProxies, Sort: id})
	if err == nil && was.IsAbsent() {
		err = notFound()
	}
	return p, err
}

// List returns up to limit (1 to 100) proxies after the id after, oldest first, and the id to continue after: "" at the
// end.
func (s *Proxies) List(
	ctx context.Context, tenant tenants.TenantID, after string, limit int,
) (proxies []Proxy, next string, err error) {
	return record.List[Proxy](ctx, s.table, tenant, rowProxies, after, record.PageLimit(limit))
}

// Patch changes the fields that c names. It fails with Unprocessable for a value that is not allowed. Runs under way
// continue with the request that they began with.
func (s *Proxies) Patch(ctx context.Context, tenant tenants.TenantID, id string, c Patch) (p Proxy, err error) {
	err = s.accounts.Change(ctx, tenant, func(tenants.Tenant) ([]tenants.Op, error) {
		if p, err = s.Get(ctx, tenant, id); err != nil {
			return nil, err
		}
		r, err := s.unseal(ctx, p)
		if err != nil {
			return nil, err
		}
		c.apply(&p, &r)
		p.Revision++
		if err := s.check(ctx, &p, &r); err != nil {
			return nil, err
		}
		p.describe(r)
		if err := s.seal(ctx, &p, r); err != nil {
			return nil, err
		}
		return []tenants.Op{p.put()}, nil
	})
	s.Forget(tenant)
	if err != nil {
		return Proxy{}, err
	}
	return p, nil
}

func (c Patch) apply(p *Proxy, r *secretRequest) {
	record.Set(&p.Name, c.Name)
	record.Set(&p.Method, c.Method)
	record.Set(&r.URL, c.URL)
	record.Set(&r.Headers, c.Headers)
	if c.Body != nil {
		r.Body = nil
		if *c.Body != nil {
			r.Body = append([]byte{}, **c.Body...)
		}
	}
	record.Set(&p.BodyMediaType, c.BodyMediaType)
	record.Set(&p.Parameters, c.Parameters)
	record.Set(&p.Share, c.Share)
	record.Set(&p.Channel, c.Channel)
	record.Set(&p.Redirects, c.Redirects)
	record.Set(&p.Reconnect, c.Reconnect)
	record.Set(&p.Limits, c.Limits)
}

// Delete deletes a proxy and its secrets. No new run of it can begin.
func (s *Proxies) Delete(ctx context.Context, tenant tenants.TenantID, id string) error {
	err := s.accounts.Change(ctx, tenant, func(tenants.Tenant) ([]tenants.Op, error) {
		p, err := s.Get(ctx, tenant, id)
		if err != nil {
			return nil, err
		}
		return []tenants.Op{tenants.Delete(p.row(), tenants.Anything())}, nil
	})
	s.Forget(tenant)
	return err
}

// Forget makes the next call of the tenant's proxies read them anew. Processes call it when a tenant has changed.
func (s *Proxies) Forget(tenant tenants.TenantID) {
	s.opened.ForgetWhere(func(k cacheKey, _ openProxy) bool { return k.tenant == tenant })
}

func (p Proxy) row() tenants.Key { return tenants.Key{Tenant: p.Tenant, Kind: rowProxies, Sort: p.ID} }

func (p Proxy) put() tenants.Op {
	return tenants.Put(p.row(), record.Encode(p), time.Time{}, tenants.Anything())
}

const rowProxies tenants.Kind = "list/proxies" // {tenant}, proxy id
