package endpoint

import (
	"context"
	"crypto/subtle"
	"strconv"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// Endpoint is a URL of a tenant that Hookcast posts events to, with the choice of events and the secrets that sign
// them. It is stored as it is.
type Endpoint struct {
	ID          string
	Tenant      tenants.TenantID
	Name        string
	URL         string
	Channels    []string        // names, or "prefix.*"; none: every channel except Hookcast's own
	Types       []string        // event types, or "prefix.*"; none: every type
	Filter      string          // an expression over the event; "": every event of Channels and Types
	Headers     []byte          // the tenant's own headers, sealed; nil: none
	HeaderNames []string        // of Headers, sorted
	Secrets     []Secret        // the newest first; the others are being rotated out, and still sign
	Ordered     bool            // one event of a channel at a time; one that fails holds back the later ones
	PerSecond   int             // maximum attempts per second; 0: no limit of its own
	Concurrency int             // maximum attempts at a time; 0: DefaultConcurrency
	Schedule    []time.Duration // the wait after each failed attempt; nil: DefaultSchedule
	State       State
	Reason      string    // why State is not Enabled, for people
	Changed     time.Time // when State last changed
	Proven      string    // the URL that passed the ownership challenge; "": none
	Created     time.Time // the endpoint gets events that were received from then on
}

// State says whether an endpoint gets deliveries.
type State string

// The states of an endpoint.
const (
	Enabled  State = "enabled"
	Pending  State = "pending"  // its URL has not passed the ownership challenge yet
	Disabled State = "disabled" // by the tenant, by a 410, or after days of failures
)

// Secret is a key that signs deliveries.
type Secret struct {
	tenants.SealedSecret
	Scheme string // SchemeV1 or SchemeV1a
}

// DefaultConcurrency is the maximum number of attempts at a time for an endpoint that sets none.
const DefaultConcurrency = 4

// DefaultSchedule returns the wait after each failed attempt, before jitter, for an endpoint that sets none.
func DefaultSchedule() []time.Duration {
	return []time.Duration{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
		10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
	}
}

// enable makes the endpoint enabled, or pending if its URL is not proven.
func (s *Endpoints) enable(e *Endpoint, at time.Time) {
	if !s.proven(*e) {
		e.become(Pending, "its URL has not passed the ownership challenge yet", at)
		return
	}
	e.become(Enabled, "", at)
}

// become sets the state and its reason.
func (e *Endpoint) become(s State, reason string, at time.Time) {
	if e.State != s {
		e.State, e.Changed = s, at.UTC().Truncate(time.Second)
	}
	e.Reason = reason
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

// Kinds returns the kinds of rows of this package that belong to a tenant.
func Kinds() []tenants.TenantKind {
	return []tenants.TenantKind{{Kind: rowEndpoints, AtOnce: true}, {Kind: RowHealth}}
}
