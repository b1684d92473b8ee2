package tenants

import (
	"context"
	"maps"
	"time"
)

// MaxProxies is how many proxies a tenant may have.
const MaxProxies = 500

// Proxies keeps the proxies.
type Proxies struct {
	table        Table
	accounts     *Accounts
	vault        Vault
	destinations Destinations
	opened       *Cache[proxyKey, openProxy]
}

type proxyKey struct {
	tenant TenantID
	id     string
}

// openProxy is a proxy ready to be run.
type openProxy struct {
	Proxy
	request request
}

// NewProxies makes a Proxies. Without Destinations no proxy can be made or changed, which a process that only runs them does not.
func NewProxies(t Table, a *Accounts, v Vault, d Destinations) *Proxies {
	return &Proxies{table: t, accounts: a, vault: v, destinations: d, opened: NewCache[proxyKey, openProxy](readTTL, 10_000, 1_000)}
}

// Create registers a proxy. Values that could not work: Unprocessable, with the reason. Over MaxProxies: TooMany proxy_limit.
func (s *Proxies) Create(ctx context.Context, tenant TenantID, spec ProxySpec) (Proxy, error) {
	p, r := spec.proxy(tenant)
	if err := s.check(ctx, &p, &r); err != nil {
		return Proxy{}, err
	}
	p.describe(r)
	if err := s.seal(ctx, &p, r); err != nil {
		return Proxy{}, err
	}
	err := s.accounts.Change(ctx, tenant, func(Tenant) ([]Op, error) {
		n, err := countRows(ctx, s.table, tenant, rowProxies, MaxProxies)
		if err != nil {
			return nil, err
		}
		if n >= MaxProxies {
			return nil, Errorf(TooMany, "proxy_limit", "there may be %d proxies", MaxProxies)
		}
		return []Op{p.put()}, nil
	})
	if err != nil {
		return Proxy{}, err
	}
	return p, nil
}

// proxy is a new proxy of the spec's, and its request.
func (spec ProxySpec) proxy(tenant TenantID) (Proxy, proxyRequest) {
	p := Proxy{
		ID: NewID(PrefixProxy), Tenant: tenant, Name: spec.Name, Method: spec.Method, BodyMediaType: spec.BodyMediaType,
		Parameters: maps.Clone(spec.Parameters), Share: spec.Share, Channel: spec.Channel, Redirects: spec.Redirects, Limits: spec.Limits,
		Revision: 1, Created: time.Now().UTC().Truncate(time.Second),
	}
	r := proxyRequest{URL: spec.URL, Headers: maps.Clone(spec.Headers)}
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
	set(&p.Reconnect, spec.Reconnect)
	return p, r
}

// describe notes what may be shown of the request.
func (p *Proxy) describe(r proxyRequest) {
	p.Shown, p.HeaderNames = shownURL(r.URL), headerNames(r.Headers)
}

// Get returns one proxy: NotFound proxy_not_found.
func (s *Proxies) Get(ctx context.Context, tenant TenantID, id string) (Proxy, error) {
	const code, detail = "proxy_not_found", "there is no such proxy"
	if !ValidID(PrefixProxy, id) {
		return Proxy{}, Errorf(NotFound, code, detail)
	}
	return readRecord[Proxy](ctx, s.table, Key{tenant, rowProxies, id}, code, detail)
}

// List returns up to limit (1 to 100) proxies behind the id after, oldest first, and where to go on: "" at the end.
func (s *Proxies) List(ctx context.Context, tenant TenantID, after string, limit int) ([]Proxy, string, error) {
	return listRecords[Proxy](ctx, s.table, tenant, rowProxies, after, pageLimit(limit))
}

// Patch changes what c names. Values that could not work: Unprocessable. Runs that are under way go on as they began.
func (s *Proxies) Patch(ctx context.Context, tenant TenantID, id string, c ProxyPatch) (p Proxy, err error) {
	err = s.accounts.Change(ctx, tenant, func(Tenant) ([]Op, error) {
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
		return []Op{p.put()}, nil
	})
	s.Forget(tenant)
	if err != nil {
		return Proxy{}, err
	}
	return p, nil
}

func (c ProxyPatch) apply(p *Proxy, r *proxyRequest) {
	set(&p.Name, c.Name)
	set(&p.Method, c.Method)
	set(&r.URL, c.URL)
	set(&r.Headers, c.Headers)
	if c.Body != nil {
		r.Body = nil
		if *c.Body != nil {
			r.Body = append([]byte{}, **c.Body...)
		}
	}
	set(&p.BodyMediaType, c.BodyMediaType)
	set(&p.Parameters, c.Parameters)
	set(&p.Share, c.Share)
	set(&p.Channel, c.Channel)
	set(&p.Redirects, c.Redirects)
	set(&p.Reconnect, c.Reconnect)
	set(&p.Limits, c.Limits)
}

// Delete ends a proxy: nobody can run it any more, and its secrets are gone.
func (s *Proxies) Delete(ctx context.Context, tenant TenantID, id string) error {
	err := s.accounts.Change(ctx, tenant, func(Tenant) ([]Op, error) {
		p, err := s.Get(ctx, tenant, id)
		if err != nil {
			return nil, err
		}
		return []Op{Delete(p.row(), Anything())}, nil
	})
	s.Forget(tenant)
	return err
}

// Forget makes the next run of the tenant's proxies read them anew; for whoever receives news.
func (s *Proxies) Forget(tenant TenantID) {
	s.opened.ForgetWhere(func(k proxyKey, _ openProxy) bool { return k.tenant == tenant })
}

func (p Proxy) row() Key { return Key{p.Tenant, rowProxies, p.ID} }

func (p Proxy) put() Op { return Put(p.row(), encodeRecord(p), time.Time{}, Anything()) }
