package api

import (
	"net/http"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// endpointView is an endpoint as answers show it. Of its headers there are the names alone; its keys are there only where they
// were made here, once.
type endpointView struct {
	ID           string           `json:"id"`
	Name         string           `json:"name"`
	URL          string           `json:"url"`
	Channels     []string         `json:"channels"`
	Types        []string         `json:"types"`
	Filter       string           `json:"filter"`
	HeaderNames  []string         `json:"header_names"`
	Ordered      bool             `json:"ordered"`
	PerSecond    int              `json:"per_second"`
	Concurrency  int              `json:"concurrency"`
	Schedule     []int64          `json:"schedule_seconds"`
	SecretScheme string           `json:"secret_scheme"`
	State        string           `json:"state"`
	StateReason  string           `json:"state_reason"`
	StateSince   time.Time        `json:"state_since"`
	Created      time.Time        `json:"created_at"`
	Secret       string           `json:"secret,omitempty"`
	PublicKey    string           `json:"public_key,omitempty"`
	Verification *endpointAttempt `json:"verification,omitempty"`
}

func (v endpointView) withoutSecrets() any {
	v.Secret = ""
	return v
}

func (v endpointView) objectID() string { return v.ID }

func viewEndpoint(e tenants.Endpoint) endpointView {
	v := endpointView{
		ID: e.ID, Name: e.Name, URL: e.URL, Channels: append([]string{}, e.Channels...), Types: append([]string{}, e.Types...), Filter: e.Filter,
		HeaderNames: append([]string{}, e.HeaderNames...), Ordered: e.Ordered, PerSecond: e.PerSecond, Concurrency: e.Concurrency, Schedule: []int64{},
		State: string(e.State), StateReason: e.Reason, StateSince: e.Changed.UTC(), Created: e.Created.UTC(),
	}
	if v.Concurrency == 0 {
		v.Concurrency = tenants.DefaultConcurrency
	}
	schedule := e.Schedule
	if schedule == nil {
		schedule = tenants.DefaultSchedule()
	}
	for _, d := range schedule {
		v.Schedule = append(v.Schedule, seconds(d))
	}
	if len(e.Secrets) > 0 {
		v.SecretScheme = e.Secrets[0].Scheme
	}
	return v
}

func (v endpointView) with(key tenants.EndpointKey) endpointView {
	v.Secret, v.PublicKey = key.Secret, key.PublicKey
	return v
}

func (a *API) listEndpoints(c *call) (answer, error) {
	p, err := a.page(c)
	if err != nil {
		return answer{}, err
	}
	found, next, err := a.Endpoints.List(c.ctx, c.who.Tenant, p.after, p.limit)
	if err != nil {
		return answer{}, err
	}
	views := make([]endpointView, 0, len(found))
	for _, e := range found {
		views = append(views, viewEndpoint(e))
	}
	return a.listOf(c, views, next), nil
}

func (a *API) createEndpoint(c *call) (answer, error) {
	c.fields.require("name", "url")
	refuseReadOnlyOfEndpoint(c.fields)
	p, err := endpointPatch(c.fields)
	if err != nil {
		return answer{}, err
	}
	spec := tenants.EndpointSpec{SecretScheme: c.fields.text("secret_scheme"), Secret: c.fields.text("secret")}
	if err := c.fields.err(); err != nil {
		return answer{}, err
	}
	p.fill(&spec)
	e, key, err := a.Endpoints.Create(c.ctx, c.who.Tenant, spec)
	if err != nil {
		return answer{}, err
	}
	e, tried := a.prove(c, e)
	v := viewEndpoint(e).with(key)
	v.Verification = tried
	return answer{http.StatusCreated, v}, nil
}

func refuseReadOnlyOfEndpoint(f *fields) {
	f.readOnly("id", "header_names", "state", "state_reason", "state_since", "created_at", "public_key", "verification")
}

// endpointFields are a request's members; nil where one is not there.
type endpointFields struct{ tenants.EndpointPatch }

// fill puts what is there into a spec.
func (p endpointFields) fill(spec *tenants.EndpointSpec) {
	fill(&spec.Name, p.Name)
	fill(&spec.URL, p.URL)
	fill(&spec.Channels, p.Channels)
	fill(&spec.Types, p.Types)
	fill(&spec.Filter, p.Filter)
	fill(&spec.Headers, p.Headers)
	fill(&spec.Ordered, p.Ordered)
	fill(&spec.PerSecond, p.PerSecond)
	fill(&spec.Concurrency, p.Concurrency)
	fill(&spec.Schedule, p.Schedule)
}

func fill[T any](field *T, from *T) {
	if from != nil {
		*field = *from
	}
}

func endpointPatch(f *fields) (p endpointFields, err error) {
	if f.has("name") {
		p.Name = new(f.text("name"))
	}
	if f.has("url") {
		p.URL = new(f.text("url"))
	}
	if f.has("channels") {
		p.Channels = new(f.texts("channels", tenants.MaxEndpointPatterns))
	}
	if f.has("types") {
		p.Types = new(f.texts("types", tenants.MaxEndpointPatterns))
	}
	if f.has("filter") {
		p.Filter = new(filterOf(f))
	}
	if f.has("ordered") {
		p.Ordered = new(f.flag("ordered"))
	}
	if f.has("per_second") {
		p.PerSecond = new(int(f.integer("per_second", 0, tenants.MaxEndpointRate)))
	}
	if f.has("concurrency") {
		p.Concurrency = new(int(f.integer("concurrency", 0, tenants.MaxEndpointConcurrency)))
	}
	if f.isNull("schedule_seconds") {
		p.Schedule = new([]time.Duration(nil))
	} else if f.has("schedule_seconds") {
		p.Schedule = new(scheduleOf(f))
	}
	headers, err := f.object("headers")
	if err != nil || headers == nil {
		return p, err
	}
	p.Headers = new(make(map[string]string))
	for _, name := range headers.order {
		(*p.Headers)[name] = headers.text(name)
	}
	return p, nil
}

func (a *API) getEndpoint(c *call) (answer, error) {
	e, err := a.endpoint(c)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, viewEndpoint(e)}, nil
}

// endpoint is the one that the path names.
func (a *API) endpoint(c *call) (tenants.Endpoint, error) {
	id, err := c.id("id", tenants.PrefixEndpoint)
	if err != nil {
		return tenants.Endpoint{}, err
	}
	return a.Endpoints.Get(c.ctx, c.who.Tenant, id)
}

func (a *API) patchEndpoint(c *call) (answer, error) {
	id, err := c.id("id", tenants.PrefixEndpoint)
	if err != nil {
		return answer{}, err
	}
	refuseReadOnlyOfEndpoint(c.fields)
	c.fields.readOnly("secret", "secret_scheme")
	p, err := endpointPatch(c.fields)
	if err != nil {
		return answer{}, err
	}
	if err := c.fields.err(); err != nil {
		return answer{}, err
	}
	e, err := a.Endpoints.Patch(c.ctx, c.who.Tenant, id, p.EndpointPatch)
	if err != nil {
		return answer{}, err
	}
	var tried *endpointAttempt
	if p.URL != nil {
		e, tried = a.prove(c, e)
	}
	v := viewEndpoint(e)
	v.Verification = tried
	return answer{http.StatusOK, v}, nil
}

func (a *API) deleteEndpoint(c *call) (answer, error) {
	id, err := c.id("id", tenants.PrefixEndpoint)
	if err != nil {
		return answer{}, err
	}
	if err := a.Endpoints.Delete(c.ctx, c.who.Tenant, id); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, nil
}

func (a *API) enableEndpoint(c *call) (answer, error) {
	id, err := c.id("id", tenants.PrefixEndpoint)
	if err != nil {
		return answer{}, err
	}
	if err := c.fields.err(); err != nil {
		return answer{}, err
	}
	e, err := a.Endpoints.Enable(c.ctx, c.who.Tenant, id)
	if err == nil {
		err = a.Deliveries.Resume(c.ctx, e)
	}
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, viewEndpoint(e)}, nil
}

func (a *API) disableEndpoint(c *call) (answer, error) {
	id, err := c.id("id", tenants.PrefixEndpoint)
	if err != nil {
		return answer{}, err
	}
	reason := c.fields.text("reason")
	if len(reason) > maxReason {
		c.fields.refuse("reason", "must have at most 200 bytes")
	}
	if err := c.fields.err(); err != nil {
		return answer{}, err
	}
	if reason == "" {
		reason = "disabled through the API"
	}
	e, err := a.Endpoints.Disable(c.ctx, c.who.Tenant, id, reason)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, viewEndpoint(e)}, nil
}

const maxReason = 200
