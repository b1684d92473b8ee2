package proxy

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"github.com/hookcast/hookcast/tenants"
)

// Call is a proxy's request with its holes filled: what is needed to run it. It holds keys, and is kept nowhere.
type Call struct {
	Proxy   Proxy
	Request tenants.Outgoing
	Channel string // where its events go that are kept; "": they are not
	Run     string // names the upstream that callers share: another with other parameters, and after a change of the proxy
	Redact  *Redactor
}

// Call fills the holes of a tenant's proxy. No such proxy: NotFound proxy_not_found; a value that a parameter does not take: Unprocessable
// invalid_parameter.
func (s *Proxies) Call(ctx context.Context, tenant tenants.TenantID, id string, given map[string]string) (Call, error) {
	if !tenants.ValidID(tenants.PrefixProxy, id) {
		_, err := s.Get(ctx, tenant, id)
		return Call{}, err
	}
	o, err := s.opened.Get(ctx, cacheKey{tenant, id}, func(ctx context.Context) (openProxy, error) {
		p, err := s.Get(ctx, tenant, id)
		if err != nil {
			return openProxy{}, err
		}
		r, err := s.unseal(ctx, p)
		if err != nil {
			return openProxy{}, err
		}
		q, err := p.parse(r)
		return openProxy{p, q}, err
	})
	if err != nil {
		return Call{}, err
	}
	return o.call(given)
}

// Once makes the call of a request that no proxy is kept for. Share and Channel are a proxy's alone.
func (s *Proxies) Once(ctx context.Context, tenant tenants.TenantID, spec Spec, given map[string]string) (Call, error) {
	if spec.Share || spec.Channel != "" {
		return Call{}, tenants.Refused("/share", "invalid_share", "what is run once is for its caller alone")
	}
	if spec.Name == "" {
		spec.Name = "run"
	}
	p, r := spec.proxy(tenant)
	if err := s.check(ctx, &p, &r); err != nil {
		return Call{}, err
	}
	q, err := p.parse(r)
	if err != nil {
		return Call{}, err
	}
	p.describe(r)
	return openProxy{p, q}.call(given)
}

func (o openProxy) call(given map[string]string) (c Call, err error) {
	values, err := bindValues(o.Parameters, given)
	if err != nil {
		return c, err
	}
	unfit := func(why string) error {
		return tenants.Refused("/parameters", "invalid_parameter", why)
	}
	c = Call{Proxy: o.Proxy, Request: tenants.Outgoing{Method: o.Method, Header: make(map[string][]string)}}
	var why string
	if c.Request.URL, why = o.request.url.fill(values); why != "" {
		return c, unfit(why)
	}
	for name, t := range o.request.headers {
		v, why := t.fill(values)
		if why != "" {
			return c, unfit(why)
		}
		c.Request.Header[name] = []string{v}
	}
	if o.request.Body != nil {
		body, why := o.request.body.fill(values)
		if why != "" {
			return c, unfit(why)
		}
		c.Request.Body = []byte(body)
		c.Request.Header["Content-Type"] = []string{o.BodyMediaType}
	}
	if c.Channel, why = o.request.channel.fill(values); why != "" {
		return c, unfit(why)
	}
	if c.Channel != "" {
		if err := tenants.Publishable(c.Channel); err != nil {
			return c, unfit("the values make no name of a channel that may be published to")
		}
	}
	parts := []string{string(o.Tenant), o.ID}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		parts = append(parts, name, values[name])
	}
	run := tenants.DerivedID("", parts...)
	if c.Proxy.Share && c.Channel == "" {
		c.Channel = tenants.ProxyChannels + o.ID + "." + run
	}
	c.Run = o.ID + "." + tenants.DerivedID("", append(parts, strconv.FormatInt(o.Revision, 10))...)
	c.Redact = newRedactor(c.Request.URL, c.Request.Header, c.Request.Body, o.BodyMediaType)
	return c, nil
}
