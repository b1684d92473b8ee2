package tenants

import "time"

// Limits bounds what a tenant may use. In every field 0 means no limit, except where it says otherwise.
type Limits struct {
	Connections           int   // open at once, over all nodes
	ConnectionsPerChannel int   // open at once
	ConnectionsPerSubject int   // open at once
	ConnectionsPerIP      int   // open at once, per node, approximate
	ConnectsPerSecond     int   // per node, approximate
	ConnectsPerSecondIP   int   // from one address, per node, approximate; an address of this machine is not held back
	EventsPerSecond       int   // in, per process
	SourcePerSecond       int   // in by one source, per process
	UnsignedPerSecond     int   // in by one source that verifies nothing, per process
	EventsPerMonth        int64 // in, of a calendar month (UTC), approximate
	EventBytes            int   // of one event's data; never more than MaxEventBytes
	Sources               int
	Endpoints             int
	Channels              int
	Jobs                  int   // running at once; passed by those that are made at the same moment
	RetentionEvents       int64 // per channel: older ones are below the floor
	RetentionSeconds      int64 // older events are below the floor

	// tracing is no limit. It is here because who takes an event in has just asked for the limits, and is to ask for nothing else.
	Tracing Tracing
}

// MaxEventBytes is the largest event that any plan can allow: DynamoDB's item holds 400 KB, its keys and our head included.
const MaxEventBytes = 380 << 10

// Plan is a named set of limits.
type Plan struct {
	Name   string
	Limits Limits
}

// Plans are the plans that an operator can set; the first is what signup gives.
var plans = []Plan{
	{"free", Limits{
		Connections: 1_000, ConnectionsPerIP: 200, ConnectsPerSecond: 200, ConnectsPerSecondIP: 50, EventsPerSecond: 100, UnsignedPerSecond: 50, EventsPerMonth: 1_000_000,
		EventBytes: 256 << 10, Sources: 20, Endpoints: 20, Channels: 1_000, Jobs: 100, RetentionEvents: 10_000, RetentionSeconds: int64(72 * time.Hour / time.Second),
	}},
	{"pro", Limits{
		Connections: 20_000, ConnectsPerSecond: 1_000, ConnectsPerSecondIP: 200, EventsPerSecond: 1_000, UnsignedPerSecond: 500, EventsPerMonth: 50_000_000,
		EventBytes: 256 << 10, Sources: 200, Endpoints: 200, Channels: 20_000, Jobs: 1_000, RetentionEvents: 100_000, RetentionSeconds: int64(7 * 24 * time.Hour / time.Second),
	}},
	{"unlimited", Limits{EventBytes: MaxEventBytes}},
}

// LookupPlan returns the plan of that name.
func LookupPlan(name string) (Plan, bool) {
	for _, p := range plans {
		if p.Name == name {
			return p, true
		}
	}
	return Plan{}, false
}

// DefaultPlan is the plan that signup gives.
func DefaultPlan() Plan { return plans[0] }
