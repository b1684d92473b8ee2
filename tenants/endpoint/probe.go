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

// Types of the events that Probe makes.
const (
	typeTest         = "hookcast.endpoint.test"
	typeVerification = "hookcast.endpoint.verification"
)

// probeRate is the number of probes per second that a process makes for one tenant.
const probeRate = 2

// Probe posts ownership challenges and tests to endpoints while the caller waits.
type Probe struct {
	endpoints *Endpoints
	sender    tenants.Sender
	rate      *cache.Rate[tenants.TenantID]
}

// NewProbe returns a Probe that posts by s.
func NewProbe(e *Endpoints, s tenants.Sender) *Probe {
	return &Probe{endpoints: e, sender: s, rate: cache.NewRate[tenants.TenantID](10_000)}
}

// probe is the payload of the events that Probe makes.
type probe struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Endpoint  string    `json:"endpoint_id"`
	Challenge string    `json:"challenge,omitempty"`
}

// Verify posts the ownership challenge to the endpoint's URL, signed like every delivery. A 2xx whose body is the
// challenge, or a JSON object with the challenge as its member challenge, proves the URL, and now is the endpoint
// after that. Any other answer leaves the endpoint as it is. Too many probes: TooMany probe_rate. Other errors are
// those of Endpoints.Prove.
func (p *Probe) Verify(ctx context.Context, e Endpoint) (now Endpoint, a tenants.Answer, proven bool, err error) {
	challenge := p.endpoints.Challenge(e)
	a, err = p.post(ctx, e, probe{Type: typeVerification, Challenge: challenge})
	if err != nil || !echoes(a, challenge) {
		return e, a, false, err
	}
	now, err = p.endpoints.Prove(ctx, e, challenge)
	return now, a, err == nil, err
}

// echoes reports whether the answer proves the URL.
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

// Test posts ev to the endpoint once, whatever the endpoint's channels, types, filter and rate are. If ev is nil, it
// posts a test event. The outcome does not count towards the endpoint's health. A URL that is not proven, and so
// could be a stranger's: Conflict endpoint_unproven. Too many probes: TooMany probe_rate.
func (p *Probe) Test(ctx context.Context, e Endpoint, ev *tenants.Event) (tenants.Answer, error) {
	if !p.endpoints.proven(e) {
		return tenants.Answer{}, tenants.Errorf(tenants.Conflict, "endpoint_unproven",
			"the endpoint's URL has not passed the ownership challenge yet; verify it first")
	}
	if ev == nil {
		return p.post(ctx, e, probe{Type: typeTest})
	}
	return p.send(ctx, e, *ev)
}

func (p *Probe) post(ctx context.Context, e Endpoint, body probe) (tenants.Answer, error) {
	body.Timestamp, body.Endpoint = time.Now().UTC().Truncate(time.Second), e.ID
	return p.send(ctx, e, tenants.Event{Type: body.Type, ContentType: "application/json", Data: record.Encode(body),
		Time: body.Timestamp})
}

func (p *Probe) send(ctx context.Context, e Endpoint, ev tenants.Event) (tenants.Answer, error) {
	if wait, ok := p.rate.Take(e.Tenant, probeRate, 1); !ok {
		err := tenants.Errorf(tenants.TooMany, "probe_rate", "tests and verifications are limited to %d per second",
			probeRate)
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
