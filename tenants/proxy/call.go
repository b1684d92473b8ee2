package proxy

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"github.com/hookcast/hookcast/tenants"
)

// Call is a proxy's request with values in its placeholders. It holds keys and must not be stored.
type Call struct {
	Proxy   Proxy
	Request tenants.Outgoing
	Channel string // where the events are stored; "": nowhere
	Run     string // names the upstream that callers share; other values, or a changed proxy, give another
	Redact  *Redactor
}

// Call returns the call of a tenant's proxy with the given values. It fails with NotFound proxy_not_found, or with
// Unprocessable invalid_parameter for a value that a parameter does not allow.
func (s *Proxies) Call(ctx context.Context, tenant tenants.TenantID, id string, given map[string]string) (Call, error) {
	if !tenants.ValidID(tenants.PrefixProxy, id) {
		return Call{}, notFound()
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

// Once returns the call of a request that is not stored as a proxy. It must not use Share or Channel.
func (s *Proxies) Once(ctx context.Context, tenant tenants.TenantID, spec Spec, given map[string]string) (Call, error) {
	if spec.Share || spec.Channel != "" {
		return Call{}, tenants.Refused("/share", "invalid_share",
			"share and channel must be unset in a request that runs once")
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
	var why string // the reason why a value does not fit, if one does not
	fill := func(t template) string {
		text, unfit := t.fill(values)
		if why == "" {
			why = unfit
		}
		return text
	}
	c = Call{Proxy: o.Proxy, Request: tenants.Outgoing{Method: o.Method, Header: make(map[string][]string)}}
	c.Request.URL = fill(o.request.url)
	for _, name := range slices.Sorted(maps.Keys(o.request.headers)) {
		c.Request.Header[name] = []string{fill(o.request.headers[name])}
	}
	if o.request.Body != nil {
		c.Request.Body = []byte(fill(o.request.body))
		c.Request.Header["Content-Type"] = []string{o.BodyMediaType}
	}
	c.Channel = fill(o.request.channel)
	if why == "" && c.Channel != "" && tenants.Publishable(c.Channel) != nil {
		why = "the values must make the name of a channel that can be published to"
	}
	if why != "" {
		return Call{}, tenants.Refused("/parameters", "invalid_parameter", why)
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
