package intake

import (
	"encoding/hex"
	"math"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/cache"
)

// tracesPerSecond is how many events of one tenant a process begins to trace.
const tracesPerSecond = 20

// marker makes the messages of the ingest queue and marks the events to be traced. It counts those per tenant.
type marker struct{ begun *cache.Rate[tenants.TenantID] }

func newMarker() marker { return marker{cache.NewRate[tenants.TenantID](tenantsAtMost)} }

// message returns the queue message of an event accepted under the terms.
func (m marker) message(e tenants.Event, terms Terms) tenants.Message {
	if terms.known && !tenants.OwnJobChannel(e.Channel) { // a job's own channel is kept for the shortest time there is
		e.Keep = keep(terms.Limits)
	}
	e.Trace = m.mark(e, terms, time.Now())
	group := tenants.HashParts(string(e.Tenant), e.Channel)
	dedupe := tenants.HashParts(e.ID, string(e.Data))
	return tenants.Message{
		Group: hex.EncodeToString(group[:]), Dedupe: hex.EncodeToString(dedupe[:]), Body: tenants.EncodeEvent(e),
	}
}

// mark returns the trace mark of e, or nil if e is not to be traced.
func (m marker) mark(e tenants.Event, terms Terms, now time.Time) *tenants.TraceMark {
	if !terms.Limits.Tracing.Samples(e.ID, now) {
		return nil
	}
	if _, ok := m.begun.Take(e.Tenant, tracesPerSecond, 1); !ok {
		return nil
	}
	return &tenants.TraceMark{Verified: terms.verified.UTC(), Enqueued: now.UTC()}
}

// keep returns how long the log keeps an event under these limits; -1: for good.
func keep(limits tenants.Limits) time.Duration {
	if limits.RetentionSeconds <= 0 || limits.RetentionSeconds > math.MaxInt64/int64(time.Second) {
		return -1
	}
	return time.Duration(limits.RetentionSeconds) * time.Second
}
