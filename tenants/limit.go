package tenants

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"
)

// Limits bounds what a tenant may use. In every field 0 means unlimited.
type Limits struct {
	Connections           int   // open at once, over all nodes
	ConnectionsPerChannel int   // open at once
	ConnectionsPerSubject int   // open at once
	ConnectionsPerIP      int   // open at once, per node, approximate
	ConnectsPerSecond     int   // per node, approximate
	ConnectsPerSecondIP   int   // from one address, per node, approximate; loopback addresses are not limited
	EventsPerSecond       int   // incoming, per process
	SourcePerSecond       int   // incoming from one source, per process
	UnsignedPerSecond     int   // incoming from one source that verifies nothing, per process
	EventsPerMonth        int64 // incoming in a calendar month (UTC), approximate
	EventBytes            int   // of one event's data; never more than MaxEventBytes
	Sources               int
	Endpoints             int
	Channels              int
	Jobs                  int   // running at once; jobs that start at the same moment may exceed it
	RetentionEvents       int64 // per channel: older events are below the floor
	RetentionSeconds      int64 // older events are below the floor

	// Tracing is not a limit. It is here so that intake, which has just read the limits, needs no second look-up.
	Tracing Tracing
}

// MaxEventBytes is the largest event that a plan can allow. DynamoDB's item holds 400 KB, with its keys and our head.
const MaxEventBytes = 380 << 10

// LimitLookup finds a tenant's limits.
type LimitLookup interface {
	// Limits returns the tenant's limits. A tenant that may not act: Forbidden tenant_suspended, or NotFound.
	Limits(ctx context.Context, tenant TenantID) (Limits, error)
}

// field is one limit under its name in the API. An override must be least to most.
type field struct {
	name        string
	least, most int64
	get         func() int64
	set         func(int64)
}

func fieldOf[N int | int64](name string, least, most int64, at *N) field {
	return field{name, least, most, func() int64 { return int64(*at) }, func(n int64) { *at = N(n) }}
}

// fields lists the limits of l in the order in which they are shown.
func (l *Limits) fields() []field {
	return []field{
		fieldOf("connections", 0, math.MaxInt32, &l.Connections),
		fieldOf("connections_per_channel", 0, math.MaxInt32, &l.ConnectionsPerChannel),
		fieldOf("connections_per_subject", 0, math.MaxInt32, &l.ConnectionsPerSubject),
		fieldOf("connections_per_ip", 0, math.MaxInt32, &l.ConnectionsPerIP),
		fieldOf("connects_per_second", 0, math.MaxInt32, &l.ConnectsPerSecond),
		fieldOf("connects_per_second_per_ip", 0, math.MaxInt32, &l.ConnectsPerSecondIP),
		fieldOf("events_per_second", 0, math.MaxInt32, &l.EventsPerSecond),
		fieldOf("events_per_second_per_source", 0, math.MaxInt32, &l.SourcePerSecond),
		fieldOf("events_per_second_unsigned", 0, math.MaxInt32, &l.UnsignedPerSecond),
		fieldOf("events_per_month", 0, 1<<52, &l.EventsPerMonth),
		fieldOf("event_bytes", 1, MaxEventBytes, &l.EventBytes),
		fieldOf("sources", 0, math.MaxInt32, &l.Sources),
		fieldOf("endpoints", 0, math.MaxInt32, &l.Endpoints),
		fieldOf("channels", 0, math.MaxInt32, &l.Channels),
		fieldOf("jobs", 0, math.MaxInt32, &l.Jobs),
		fieldOf("retention_events", 0, 1<<52, &l.RetentionEvents),
		fieldOf("retention_seconds", 0, 1<<40, &l.RetentionSeconds),
	}
}

// LimitNames returns the names of all limits in the API, in the order in which they are shown.
func LimitNames() (names []string) {
	for _, f := range new(Limits).fields() {
		names = append(names, f.name)
	}
	return names
}

// Named returns every limit under its name in the API.
func (l Limits) Named() map[string]int64 {
	named := make(map[string]int64)
	for _, f := range l.fields() {
		named[f.name] = f.get()
	}
	return named
}

// with returns l with overrides applied. Names that no longer exist are ignored.
func (l Limits) with(overrides map[string]int64) Limits {
	if len(overrides) == 0 {
		return l
	}
	for _, f := range l.fields() {
		if n, ok := overrides[f.name]; ok {
			f.set(min(max(n, f.least), f.most))
		}
	}
	return l
}

// CheckLimit refuses an override of an unknown limit (Unprocessable limit_unknown) or a value outside the limit's
// bounds (Unprocessable invalid_limits).
func CheckLimit(name string, n int64) error {
	all := new(Limits).fields()
	i := slices.IndexFunc(all, func(f field) bool { return f.name == name })
	if i < 0 {
		return Refused("/limits", "limit_unknown", "there is no limit of that name")
	}
	if f := all[i]; n < f.least || n > f.most {
		return Refused("/limits/"+name, "invalid_limits", fmt.Sprintf("%s must be %d to %d", name, f.least, f.most))
	}
	return nil
}

// NearLimitPercent is the share of a limit at whose use the tenant is warned.
const NearLimitPercent = 80

// NearLimit reports whether so much of a limit is used that its tenant is to be warned.
func NearLimit(used, limit int64) bool {
	return limit > 0 && used > 0 && used >= (limit*NearLimitPercent+99)/100
}

// Retention bounds what a tenant may still read of a channel; 0 is unlimited. Readers apply it as a floor: rows leave
// the table later, by expiry.
type Retention struct {
	Events  int64 // how many of the newest events
	Seconds int64 // events received in the last so many seconds; exact up to the order of receipt
}

// Retention returns the part of the limits that readers of a channel need.
func (l Limits) Retention() Retention {
	return Retention{Events: l.RetentionEvents, Seconds: l.RetentionSeconds}
}

// Plan is a named set of limits.
type Plan struct {
	Name   string
	Limits Limits
}

// plans lists the plans that an operator can set; the first is the default.
var plans = []Plan{
	{"free", Limits{
		Connections: 1_000, ConnectionsPerIP: 200, ConnectsPerSecond: 200, ConnectsPerSecondIP: 50,
		EventsPerSecond:   100,
		UnsignedPerSecond: 50, EventsPerMonth: 1_000_000, EventBytes: 256 << 10, Sources: 20, Endpoints: 20,
		Channels: 1_000, Jobs: 100, RetentionEvents: 10_000, RetentionSeconds: int64(72 * time.Hour / time.Second),
	}},
	{"pro", Limits{
		Connections: 20_000, ConnectsPerSecond: 1_000, ConnectsPerSecondIP: 200, EventsPerSecond: 1_000,
		UnsignedPerSecond: 500, EventsPerMonth: 50_000_000, EventBytes: 256 << 10, Sources: 200, Endpoints: 200,
		Channels: 20_000, Jobs: 1_000, RetentionEvents: 100_000,
		RetentionSeconds: int64(7 * 24 * time.Hour / time.Second),
	}},
	{"unlimited", Limits{EventBytes: MaxEventBytes}},
}

// LookupPlan returns the plan of that name.
func LookupPlan(name string) (Plan, bool) {
	i := slices.IndexFunc(plans, func(p Plan) bool { return p.Name == name })
	if i < 0 {
		return Plan{}, false
	}
	return plans[i], true
}

// DefaultPlan returns the plan of a tenant that has just signed up.
func DefaultPlan() Plan { return plans[0] }
