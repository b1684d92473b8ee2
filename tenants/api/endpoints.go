package api

import (
	"context"
	"net/http"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/endpoint"
)

// endpointView is an endpoint as answers show it. It has the names of its headers without the values. Secret and
// PublicKey are present only in the answer that creates them.
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

func viewEndpoint(e endpoint.Endpoint) endpointView {
	v := endpointView{
		ID: e.ID, Name: e.Name, URL: e.URL, Channels: append([]string{}, e.Channels...),
		Types: append([]string{}, e.Types...), Filter: e.Filter, HeaderNames: append([]string{}, e.HeaderNames...),
		Ordered: e.Ordered, PerSecond: e.PerSecond, Concurrency: e.Concurrency, Schedule: []int64{},
		State: string(e.State), StateReason: e.Reason, StateSince: e.Changed.UTC(), Created: e.Created.UTC(),
	}
	if v.Concurrency == 0 {
		v.Concurrency = endpoint.DefaultConcurrency
	}
	schedule := e.Schedule
	if schedule == nil {
		schedule = endpoint.DefaultSchedule()
	}
	for _, d := range schedule {
		v.Schedule = append(v.Schedule, seconds(d))
	}
	if len(e.Secrets) > 0 {
		v.SecretScheme = e.Secrets[0].Scheme
	}
	return v
}

func (v endpointView) with(key endpoint.Key) endpointView {
	v.Secret, v.PublicKey = key.Secret, key.PublicKey
	return v
}

func (a *API) listEndpoints(c *call) (answer, error) {
	return listRows(a, c, a.Endpoints.List, viewEndpoint)
}

func (a *API) createEndpoint(c *call) (answer, error) {
	c.fields.require("name", "url")
	refuseReadOnlyOfEndpoint(c.fields)
	p, err := endpointPatch(c.fields)
	if err != nil {
		return answer{}, err
	}
	spec := endpoint.Spec{SecretScheme: c.fields.text("secret_scheme"), Secret: c.fields.text("secret")}
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

// endpointFields are a request's members, nil if they are missing.
type endpointFields struct{ endpoint.Patch }

// fill copies the members that are present into a spec.
func (p endpointFields) fill(spec *endpoint.Spec) {
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
	patterns := func(name string) []string { return f.texts(name, endpoint.MaxPatterns) }
	number := func(high int64) func(string) int {
		return func(name string) int { return int(f.integer(name, 0, high)) }
	}
	p.Name = optional(f, "name", f.text)
	p.URL = optional(f, "url", f.text)
	p.Channels = optional(f, "channels", patterns)
	p.Types = optional(f, "types", patterns)
	p.Filter = optional(f, "filter", f.lines)
	p.Ordered = optional(f, "ordered", f.flag)
	p.PerSecond = optional(f, "per_second", number(endpoint.MaxRate))
	p.Concurrency = optional(f, "concurrency", number(endpoint.MaxConcurrency))
	p.Schedule = optional(f, "schedule_seconds", f.schedule)
	headers, err := headersIn(f)
	if headers != nil {
		p.Headers = &headers
	}
	return p, err
}

func (a *API) getEndpoint(c *call) (answer, error) {
	return answerByID(c, tenants.PrefixEndpoint, http.StatusOK, a.Endpoints.Get, viewEndpoint)
}

// endpoint returns the endpoint with the id in the path.
func (a *API) endpoint(c *call) (endpoint.Endpoint, error) {
	id, err := c.id("id", tenants.PrefixEndpoint)
	if err != nil {
		return endpoint.Endpoint{}, err
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
	e, err := a.Endpoints.Patch(c.ctx, c.who.Tenant, id, p.Patch)
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
	return deleteByID(c, tenants.PrefixEndpoint, a.Endpoints.Delete)
}

func (a *API) enableEndpoint(c *call) (answer, error) {
	enable := func(ctx context.Context, t tenants.TenantID, id string) (endpoint.Endpoint, error) {
		e, err := a.Endpoints.Enable(ctx, t, id)
		if err == nil {
			err = a.Deliveries.Resume(ctx, e)
		}
		return e, err
	}
	return answerByID(c, tenants.PrefixEndpoint, http.StatusOK, enable, viewEndpoint)
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
