package endpoint

import (
	"context"
	"crypto/subtle"
	"strconv"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// notProven is the Reason of an endpoint that is pending.
const notProven = "its URL has yet to answer the ownership challenge"

// enable makes the endpoint enabled, or pending where its URL has something to prove.
func (s *Endpoints) enable(e *Endpoint, at time.Time) {
	if !s.proven(*e) {
		e.become(Pending, notProven, at)
		return
	}
	e.become(Enabled, "", at)
}

// proven tells whether the endpoint's URL may be posted to: where a challenge is asked for, once it has answered.
func (s *Endpoints) proven(e Endpoint) bool {
	return !s.challenge || e.Proven != "" && e.Proven == e.URL
}

// Enable lets the endpoint be delivered to again. Where its URL is not proven, it becomes pending.
func (s *Endpoints) Enable(ctx context.Context, tenant tenants.TenantID, id string) (Endpoint, error) {
	return s.edit(ctx, tenant, id, func(e *Endpoint) error {
		s.enable(e, time.Now())
		return nil
	})
}

// Disable stops deliveries to the endpoint, for a reason that people are shown.
func (s *Endpoints) Disable(ctx context.Context, tenant tenants.TenantID, id, reason string) (Endpoint, error) {
	return s.edit(ctx, tenant, id, func(e *Endpoint) error {
		e.become(Disabled, reason, time.Now())
		return nil
	})
}

// GiveUp disables an endpoint for what came of attempts at it as it was seen. Where the tenant has changed its URL or its state
// since, what was seen says nothing about it, and it stays as it is.
func (s *Endpoints) GiveUp(ctx context.Context, seen Endpoint, reason string) (Endpoint, error) {
	return s.edit(ctx, seen.Tenant, seen.ID, func(e *Endpoint) error {
		if e.State == Enabled && e.URL == seen.URL && e.Changed.Equal(seen.Changed) {
			e.become(Disabled, reason, time.Now())
		}
		return nil
	})
}

// Challenge is what the endpoint's URL has to send back, or its owner to read there and give us, to prove that it is theirs. It
// follows from the deployment's secret, and is another one for another URL and each time that the endpoint becomes pending.
func (s *Endpoints) Challenge(e Endpoint) string {
	sum := s.challenges.MAC(string(e.Tenant), e.ID, e.URL, strconv.FormatInt(e.Changed.Unix(), 10))
	return tenants.Crockford.EncodeToString(sum)[:2*tenants.IDChars]
}

// Prove records that whoever owns the URL of the endpoint, as it was seen, has given the answer: a pending endpoint is enabled by
// it. Another answer than Challenge: Unprocessable challenge_failed; an endpoint that has changed since: Conflict endpoint_changed.
func (s *Endpoints) Prove(ctx context.Context, seen Endpoint, answer string) (Endpoint, error) {
	if subtle.ConstantTimeCompare([]byte(answer), []byte(s.Challenge(seen))) != 1 {
		return Endpoint{}, tenants.Errorf(tenants.Unprocessable, "challenge_failed", "this is not the challenge that was posted to the endpoint's URL")
	}
	return s.edit(ctx, seen.Tenant, seen.ID, func(e *Endpoint) error {
		if e.URL != seen.URL || !e.Changed.Equal(seen.Changed) {
			return tenants.Errorf(tenants.Conflict, "endpoint_changed", "the endpoint has changed meanwhile; try again")
		}
		e.Proven = e.URL
		if e.State == Pending {
			s.enable(e, time.Now())
		}
		return nil
	})
}
