package tenants

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"time"
)

// Tenant is one customer of the deployment. It is stored as JSON with these field names.
type Tenant struct {
	ID        TenantID
	Name      string
	Email     string // in lower case; not unique, and no caller learns whether another tenant uses it
	Plan      string
	Overrides map[string]int64 // limits that the operator set in place of the plan's, by their API names
	Origins   []string         // origins whose pages may open streams; empty: all
	Suspended bool
	Closing   bool    // being deleted: its requests fail, and nothing can be added
	Tracing   Tracing `json:",omitzero"`
	Created   time.Time
}

// Limits returns the plan's limits with the operator's overrides. A plan that no longer exists counts as the default.
func (t Tenant) Limits() Limits {
	p, ok := LookupPlan(t.Plan)
	if !ok {
		p = DefaultPlan()
	}
	l := p.Limits.with(t.Overrides)
	l.Tracing = t.Tracing
	return l
}

// AllowsOrigin reports whether a page of origin (the Origin header as received) may open streams. A request without
// the header does not come from a page and is allowed.
func (t Tenant) AllowsOrigin(origin string) bool {
	return origin == "" || len(t.Origins) == 0 ||
		slices.ContainsFunc(t.Origins, func(o string) bool { return strings.EqualFold(o, origin) })
}

// Tracing is a tenant's switch for recording the steps of its events. It turns itself off.
//
// Whether an event is traced is decided once, when it comes in, and travels with it as Event.Trace. Later steps need no
// look-up, only a comparison with nil.
type Tracing struct {
	Since  time.Time // when it was turned on
	Until  time.Time // when it turns itself off; zero: it is off
	Sample float64   // the share of events to trace, above 0 and at most 1
}

const (
	MaxTracing = time.Hour      // the longest time for which tracing can be turned on
	TraceLife  = 24 * time.Hour // how long a trace is kept: an event's from its receipt, a session's from its storing
)

// On reports whether tracing is on at now.
func (t Tracing) On(now time.Time) bool { return now.Before(t.Until) }

// Samples reports whether to trace the event with this id. A provider's retry has the same id and gets the same answer.
func (t Tracing) Samples(id string, now time.Time) bool {
	if !t.On(now) {
		return false
	}
	sum := HashParts("trace", id)
	return t.Sample >= 1 || float64(binary.BigEndian.Uint64(sum[:8])) < t.Sample*math.MaxUint64
}
