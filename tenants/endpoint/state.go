package endpoint

import (
	"context"
	"crypto/subtle"
	"strconv"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// enable makes the endpoint enabled, or pending if its URL is not proven.
func (s *Endpoints) enable(e *Endpoint, at time.Time) {
	if !s.proven(*e) {
		e.become(Pending, "its URL has not passed the ownership challenge yet", at)
		return
	}
	e.become(Enabled, "", at)
}

// proven reports whether events may be posted to the endpoint's URL.
func (s *Endpoints) proven(e Endpoint) bool {
	return !s.challenge || e.Proven != "" && e.Proven == e.URL
}

// Enable resumes deliveries to the endpoint. If its URL is not proven, the endpoint becomes pending.
func (s *Endpoints) Enable(ctx context.Context, tenant tenants.TenantID, id string) (Endpoint, error) {
	return s.edit(ctx, tenant, id, func(e *Endpoint) error {
		s.enable(e, time.Now())
		return nil
	})
}

// Disable stops deliveries to the endpoint. The tenant is shown the reason.
func (s *Endpoints) Disable(ctx context.Context, tenant tenants.TenantID, id, reason string) (Endpoint, error) {
	return s.edit(ctx, tenant, id, func(e *Endpoint) error {
		e.become(Disabled, reason, time.Now())
		return nil
	})
}

// GiveUp disables an endpoint because of failed attempts at seen. If the tenant has changed its URL or its state
// since, the attempts say nothing about it, and it stays as it is.
func (s *Endpoints) GiveUp(ctx context.Context, seen Endpoint, reason string) (Endpoint, error) {
	return s.edit(ctx, seen.Tenant, seen.ID, func(e *Endpoint) error {
		if e.State == Enabled && e.URL == seen.URL && e.Changed.Equal(seen.Changed) {
			e.become(Disabled, reason, time.Now())
		}
		return nil
	})
}

// Challenge returns the text that is posted to the endpoint's URL and that its owner must echo, to prove ownership.
// It is derived from the deployment's secret and changes with the URL and each time the endpoint becomes pending.
func (s *Endpoints) Challenge(e Endpoint) string {
	sum := s.challenges.MAC(string(e.Tenant), e.ID, e.URL, strconv.FormatInt(e.Changed.Unix(), 10))
	return tenants.Crockford.EncodeToString(sum)[:2*tenants.IDChars]
}

// Prove records that the owner of seen's URL has given the answer, and enables a pending endpoint. Wrong answer:
// Unprocessable challenge_failed. An endpoint that has changed since: Conflict endpoint_changed.
func (s *Endpoints) Prove(ctx context.Context, seen Endpoint, answer string) (Endpoint, error) {
	if subtle.ConstantTimeCompare([]byte(answer), []byte(s.Challenge(seen))) != 1 {
		return Endpoint{}, tenants.Errorf(tenants.Unprocessable, "challenge_failed",
			"the answer must be the challenge that was posted to the endpoint's URL")
	}
	return s.edit(ctx, seen.Tenant, seen.ID, func(e *Endpoint) error {
		if e.URL != seen.URL || !e.Changed.Equal(seen.Changed) {
			return tenants.Errorf(tenants.Conflict, "endpoint_changed",
				"the endpoint has changed in the meantime; try again")
		}
		e.Proven = e.URL
		if e.State == Pending {
			s.enable(e, time.Now())
		}
		return nil
	})
}
