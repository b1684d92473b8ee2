package api

import (
	"net/http"
	"slices"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/proxy"
)

// proxyView is a proxy as answers show it: its headers without values, its URL without the values of the query, and
// only the media type of its body.
type proxyView struct {
	ID            string                   `json:"id"`
	Name          string                   `json:"name"`
	Method        string                   `json:"method"`
	URL           string                   `json:"url"`
	Headers       []string                 `json:"headers"`
	BodyMediaType *string                  `json:"body_media_type"`
	Parameters    map[string]parameterView `json:"parameters"`
	Share         bool                     `json:"share"`
	Channel       *string                  `json:"channel"`
	Redirects     bool                     `json:"redirects"`
	Reconnect     bool                     `json:"reconnect"`
	Limits        map[string]int64         `json:"limits"`
	Created       time.Time                `json:"created_at"`
}

type parameterView struct {
	Type      string   `json:"type"`
	Min       *int64   `json:"min,omitempty"`
	Max       *int64   `json:"max,omitempty"`
	Values    []string `json:"values,omitempty"`
	MaxLength int      `json:"max_length,omitempty"`
	Default   *string  `json:"default,omitempty"`
}

func viewProxy(p proxy.Proxy) proxyView {
	v := proxyView{
		ID: p.ID, Name: p.Name, Method: p.Method, URL: p.Shown, Headers: append([]string{}, p.HeaderNames...),
		BodyMediaType: nullable(p.BodyMediaType), Parameters: make(map[string]parameterView), Share: p.Shared(),
		Channel: nullable(p.Channel), Redirects: p.Redirects, Reconnect: p.Reconnect, Limits: p.Limits.Named(),
		Created: p.Created,
	}
	for name, d := range p.Parameters {
		one := parameterView{Type: string(d.Kind), Values: d.Values, MaxLength: d.MaxLength, Default: d.Default}
		if d.Kind == proxy.ParameterInteger {
			one.Min, one.Max = &d.Min, &d.Max
		}
		v.Parameters[name] = one
	}
	return v
}

func (a *API) listProxies(c *call) (answer, error) {
	return listRows(a, c, a.Proxies.List, viewProxy)
}

func (a *API) createProxy(c *call) (answer, error) {
	c.fields.readOnly("id", "created_at")
	spec, err := proxySpec(c.fields, "name", "url")
	if err != nil {
		return answer{}, err
	}
	if err := c.fields.err(); err != nil {
		return answer{}, err
	}
	p, err := a.Proxies.Create(c.ctx, c.who.Tenant, spec)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusCreated, viewProxy(p)}, nil
}

func (a *API) getProxy(c *call) (answer, error) {
	return answerByID(c, tenants.PrefixProxy, http.StatusOK, a.Proxies.Get, viewProxy)
}

func (a *API) patchProxy(c *call) (answer, error) {
	id, err := c.id("id", tenants.PrefixProxy)
	if err != nil {
		return answer{}, err
	}
	c.fields.readOnly("id", "created_at")
	p, err := proxyPatch(c.fields)
	if err != nil {
		return answer{}, err
	}
	changed, err := a.Proxies.Patch(c.ctx, c.who.Tenant, id, p)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, viewProxy(changed)}, nil
}

func (a *API) deleteProxy(c *call) (answer, error) {
	return deleteByID(c, tenants.PrefixProxy, a.Proxies.Delete)
}

// proxySpec reads a proxy's fields. The caller refuses unknown members.
func proxySpec(f *fields, required ...string) (spec proxy.Spec, err error) {
	f.require(required...)
	spec = proxy.Spec{
		Name: f.text("name"), Method: f.text("method"), URL: f.text("url"), BodyMediaType: f.text("body_media_type"),
		Channel: f.textOrNull("channel"), Share: f.flag("share"), Redirects: f.flag("redirects"),
	}
	spec.Reconnect = optional(f, "reconnect", f.flag)
	spec.Body = bodyIn(f)
	if spec.Headers, err = headersIn(f); err != nil {
		return spec, err
	}
	if spec.Parameters, err = parametersIn(f); err != nil {
		return spec, err
	}
	spec.Limits, err = proxyLimitsIn(f)
	return spec, err
}

func proxyPatch(f *fields) (proxy.Patch, error) {
	spec, err := proxySpec(f)
	if err != nil {
		return proxy.Patch{}, err
	}
	return proxy.Patch{
		Name: ifGiven(f, "name", &spec.Name), Method: ifGiven(f, "method", &spec.Method),
		URL: ifGiven(f, "url", &spec.URL), Headers: ifGiven(f, "headers", &spec.Headers),
		Body: ifGiven(f, "body", &spec.Body), BodyMediaType: ifGiven(f, "body_media_type", &spec.BodyMediaType),
		Parameters: ifGiven(f, "parameters", &spec.Parameters), Share: ifGiven(f, "share", &spec.Share),
		Channel: ifGiven(f, "channel", &spec.Channel), Redirects: ifGiven(f, "redirects", &spec.Redirects),
		Reconnect: spec.Reconnect, Limits: ifGiven(f, "limits", &spec.Limits),
	}, f.err()
}

// ifGiven returns value if the request has the member, else nil, as in a patch.
func ifGiven[T any](f *fields, name string, value *T) *T {
	if !f.has(name) {
		return nil
	}
	return value
}

// bodyIn reads the body of a proxy's request: the text of a string, or any other value as JSON; nil if it is missing
// or null.
func bodyIn(f *fields) *string {
	if !f.has("body") || f.isNull("body") {
		return nil
	}
	if f.members["body"][0] == '"' {
		return new(f.lines("body"))
	}
	return new(string(f.members["body"]))
}

// headersIn reads an object of header values, nil if it is missing.
func headersIn(f *fields) (map[string]string, error) {
	o, err := f.object("headers")
	if o == nil || err != nil {
		return nil, err
	}
	headers := make(map[string]string, len(o.order))
	for _, name := range o.order {
		headers[name] = o.text(name)
	}
	return headers, nil
}

func parametersIn(f *fields) (map[string]proxy.Parameter, error) {
	o, err := f.object("parameters")
	if o == nil || err != nil {
		return nil, err
	}
	const far = 1 << 53
	list := make(map[string]proxy.Parameter, len(o.order))
	for _, name := range o.order {
		d, err := o.object(name)
		if err != nil {
			return nil, err
		}
		if d == nil {
			continue
		}
		p := proxy.Parameter{Kind: proxy.ParameterKind(d.text("type")), Min: -far, Max: far,
			Values: d.texts("values", 100), MaxLength: int(d.integer("max_length", 1, 4000))}
		if d.has("min") {
			p.Min = d.integer("min", -far, far)
		}
		if d.has("max") {
			p.Max = d.integer("max", -far, far)
		}
		p.Default = optional(d, "default", d.scalar)
		if p.Kind != proxy.ParameterInteger {
			p.Min, p.Max = 0, 0
		}
		d.refuseUnknown()
		list[name] = p
	}
	return list, nil
}

// scalar reads a string or a whole number, and returns it as a string.
func (f *fields) scalar(name string) string {
	if raw := f.raw(name); len(raw) > 0 && raw[0] != '"' {
		if slices.ContainsFunc(raw, func(c byte) bool { return (c < '0' || c > '9') && c != '-' }) {
			f.refuse(name, "must be a string or a whole number")
		}
		return string(raw)
	}
	return f.text(name)
}

func proxyLimitsIn(f *fields) (proxy.Limits, error) {
	o, err := f.object("limits")
	if o == nil || err != nil {
		return proxy.Limits{}, err
	}
	named := make(map[string]int64)
	for _, name := range proxy.LimitNames() {
		if o.has(name) {
			named[name] = o.integer(name, 1, 1<<40)
		}
	}
	o.refuseUnknown()
	if len(*f.refused) > 0 {
		return proxy.Limits{}, nil // f.err says so
	}
	return proxy.LimitsOf(named)
}
