package endpoint

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/cache"
	"github.com/hookcast/hookcast/tenants/record"
)

// Types of what is posted outside of deliveries.
const (
	typeTest         = "hookcast.endpoint.test"
	typeVerification = "hookcast.endpoint.verification"
)

// probeRate is how many probes a tenant may ask for in a second, per process: each is a request to somebody's server, now.
const probeRate = 2

// Probe posts to endpoints outside of deliveries, while somebody waits for what comes of it: the ownership challenge, and tests.
type Probe struct {
	endpoints *Endpoints
	sender    tenants.Sender
	rate      *cache.Rate[tenants.TenantID]
}

// NewProbe makes a Probe that posts by s.
func NewProbe(e *Endpoints, s tenants.Sender) *Probe {
	return &Probe{endpoints: e, sender: s, rate: cache.NewRate[tenants.TenantID](10_000)}
}

// probe is the payload of what Probe posts itself.
type probe struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Endpoint  string    `json:"endpoint_id"`
	Challenge string    `json:"challenge,omitempty"`
}

// Verify posts the ownership challenge to the endpoint's URL, signed like every delivery. A 2xx whose body is the challenge, or JSON with
// the member challenge that is, proves the URL: the endpoint is returned as it is then. Whatever else comes leaves it as it was, and
// proven is false. Errors: TooMany probe_rate, and Prove's.
func (p *Probe) Verify(ctx context.Context, e Endpoint) (now Endpoint, a tenants.Answer, proven bool, err error) {
	challenge := p.endpoints.Challenge(e)
	a, err = p.post(ctx, e, probe{Type: typeVerification, Challenge: challenge})
	if err != nil || !echoes(a, challenge) {
		return e, a, false, err
	}
	now, err = p.endpoints.Prove(ctx, e, challenge)
	return now, a, err == nil, err
}

func echoes(a tenants.Answer, challenge string) bool {
	if a.Failure != "" || a.Status < 200 || a.Status > 299 || a.Truncated {
		return false
	}
	var said struct{ Challenge string }
	if json.Unmarshal(a.Body, &said) == nil && said.Challenge == challenge {
		return true
	}
	text := bytes.TrimSpace(a.Body)
	return string(bytes.Trim(text, `"`)) == challenge
}

// Test posts an event to the endpoint now, whatever its channels, types, filter and rate are; with none, one of type
// typeTest. It counts for nothing and is not tried again. An endpoint whose URL has yet to be proven: Conflict
// endpoint_unproven, since what a tenant writes is not for strangers. TooMany probe_rate.
func (p *Probe) Test(ctx context.Context, e Endpoint, ev *tenants.Event) (tenants.Answer, error) {
	if !p.endpoints.proven(e) {
		return tenants.Answer{}, tenants.Errorf(tenants.Conflict, "endpoint_unproven", "the endpoint's URL has yet to answer the ownership challenge; verify it first")
	}
	if ev == nil {
		return p.post(ctx, e, probe{Type: typeTest})
	}
	return p.send(ctx, e, *ev)
}

func (p *Probe) post(ctx context.Context, e Endpoint, body probe) (tenants.Answer, error) {
	body.Timestamp, body.Endpoint = time.Now().UTC().Truncate(time.Second), e.ID
	return p.send(ctx, e, tenants.Event{Type: body.Type, ContentType: "application/json", Data: record.Encode(body), Time: body.Timestamp})
}

func (p *Probe) send(ctx context.Context, e Endpoint, ev tenants.Event) (tenants.Answer, error) {
	if wait, ok := p.rate.Take(e.Tenant, probeRate, 1); !ok {
		err := tenants.Errorf(tenants.TooMany, "probe_rate", "tests and verifications are limited to %d per second", probeRate)
		err.RetryAfter = max(wait, time.Second)
		return tenants.Answer{}, err
	}
	ev.ID, ev.Tenant = tenants.NewID(tenants.PrefixEvent), e.Tenant
	o, err := p.endpoints.Prepare(ctx, e, ev.ID, ev, time.Now())
	if err != nil {
		return tenants.Answer{}, err
	}
	return p.sender.Send(ctx, o), nil
}
