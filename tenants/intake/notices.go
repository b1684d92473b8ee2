package intake

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// Notices tells tenants about their own accounts, by events in their channel NoticesChannel, to which only Hookcast
// publishes. The id of a notice follows from its data, so that it is told once even if several processes send it.
type Notices struct {
	queue  tenants.Queue
	marker marker

	mu   sync.Mutex
	told map[string]bool // ids that this process has sent
}

// TypeLimitWarning is the type of the event that says that most of a limit is in use:
//
//	{"limit":"connections","max":1000,"percent":80,"period":"2026-01-31"}
//
// limit is one of LimitNames. For each value of the limit the event is sent once in a period: a month for
// events_per_month and channels, a day for the others.
const TypeLimitWarning = "limit.warning"

const (
	noticesTold = 10_000 // remembered
	noticeTime  = 5 * time.Second
)

// NewNotices returns a Notices that sends to the ingest queue q.
func NewNotices(q tenants.Queue) *Notices {
	return &Notices{queue: q, marker: newMarker(), told: make(map[string]bool)}
}

// Scarce tells the tenant, which has limits l, that most of a limit is in use. If that cannot be sent, the next call
// with the same arguments sends it.
func (n *Notices) Scarce(ctx context.Context, tenant tenants.TenantID, l tenants.Limits, limit string, most int64,
	period string) {
	n.Tell(ctx, tenant, l, TypeLimitWarning, fmt.Appendf(nil, `{"limit":%q,"max":%d,"percent":%d,"period":%q}`,
		limit, most, tenants.NearLimitPercent, period))
}

// Tell sends the tenant, which has limits l, an event of the type kind with JSON data, once for each data.
func (n *Notices) Tell(ctx context.Context, tenant tenants.TenantID, l tenants.Limits, kind string, data []byte) {
	e := tenants.Event{
		ID: tenants.DerivedID(tenants.PrefixEvent, string(tenant), "notice", string(data)), Tenant: tenant,
		Channel: tenants.NoticesChannel, Type: kind, Data: data, ContentType: "application/json",
		Time: time.Now().UTC(),
	}
	if !n.first(e.ID) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, noticeTime)
	defer cancel()
	if err := n.queue.Send(ctx, n.marker.message(e, Terms{Limits: l, known: true})); err != nil {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.told, e.ID)
	}
}

// first reports whether this process has not sent the notice yet, and remembers it as sent.
func (n *Notices) first(id string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.told[id] {
		return false
	}
	if len(n.told) >= noticesTold {
		clear(n.told) // the log recognises repeats
	}
	n.told[id] = true
	return true
}
