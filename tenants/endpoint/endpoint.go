package endpoint

import (
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// Endpoint is a registration of webhooks that go out: a URL of the tenant's that Hookcast posts events to, which of them, and how
// it proves that it is Hookcast.
type Endpoint struct {
	ID          string
	Tenant      tenants.TenantID
	Name        string
	URL         string
	Channels    []string        // names, or "prefix.*"; none: every channel but Hookcast's own
	Types       []string        // event types, or "prefix.*"; none: every type
	Filter      string          // an expression over the event; "": all that Channels and Types let through
	Headers     []byte          // the tenant's own headers, sealed; nil: none
	HeaderNames []string        // of Headers, in order
	Secrets     []Secret        // the newest first: the others are being rotated out, and sign beside it
	Ordered     bool            // a channel's events one after the other; one that fails holds back those behind it
	PerSecond   int             // attempts per second at most; 0: no limit but the deployment's
	Concurrency int             // attempts under way at a time at most; 0: DefaultConcurrency
	Schedule    []time.Duration // how long to wait after each failed attempt; nil: DefaultSchedule
	State       State
	Reason      string    // why State is not Enabled, for people
	Changed     time.Time // when State became what it is
	Proven      string    // the URL that has answered the ownership challenge; "": none has
	Created     time.Time // it gets events that were received from then on
}

// State says whether an endpoint is delivered to.
type State string

// The states of an endpoint.
const (
	Enabled  State = "enabled"
	Pending  State = "pending"  // it has yet to answer the ownership challenge
	Disabled State = "disabled" // by the tenant, by a 410, or because everything failed for days
)

// Secret is one key that deliveries are signed with (Standard Webhooks v1: HMAC-SHA256; v1a: ed25519).
type Secret struct {
	tenants.SealedSecret
	Scheme string // "v1" or "v1a"
}

// DefaultConcurrency is how many attempts at an endpoint are under way at a time.
const DefaultConcurrency = 4

// DefaultSchedule is how long is waited after each failed attempt, before jitter.
func DefaultSchedule() []time.Duration {
	return []time.Duration{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
		10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
	}
}

// Kinds are the kinds of rows that tenants have here.
func Kinds() []tenants.TenantKind {
	return []tenants.TenantKind{{Kind: rowEndpoints, AtOnce: true}, {Kind: RowHealth}}
}
