package endpoint

import (
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

// Kinds returns the kinds of rows of this package that belong to a tenant.
func Kinds() []tenants.TenantKind {
	return []tenants.TenantKind{{Kind: rowEndpoints, AtOnce: true}, {Kind: RowHealth}}
}
