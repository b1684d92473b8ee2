package intake

import (
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/cache"
)

// message is what the queue carries of e, which comes in under those terms. Whatever goes to the ingest queue is made here.
func (m marker) message(e tenants.Event, terms Terms) tenants.Message {
	if terms.known && !tenants.OwnJobChannel(e.Channel) { // what a job leaves there is kept no longer than anything is
		e.Keep = keep(terms.Limits)
	}
	e.Trace = m.mark(e, terms, time.Now())
	return carry(e)
}

// tracesPerSecond is how many events of one tenant a process begins to trace.
const tracesPerSecond = 20

// marker marks the events that are to be traced, wherever they come from. A process has one for each way in.
type marker struct{ begun *cache.Rate[tenants.TenantID] }

func newMarker() marker { return marker{cache.NewRate[tenants.TenantID](10_000)} }

// mark is what goes with e if it is to be traced, else nil.
func (m marker) mark(e tenants.Event, terms Terms, now time.Time) *tenants.TraceMark {
	if !terms.Limits.Tracing.Samples(e.ID, now) {
		return nil
	}
	if _, ok := m.begun.Take(e.Tenant, tracesPerSecond, 1); !ok {
		return nil
	}
	return &tenants.TraceMark{Verified: terms.verified.UTC(), Enqueued: now.UTC()}
}
