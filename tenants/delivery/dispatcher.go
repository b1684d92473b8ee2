package delivery

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/record"
	"github.com/hookcast/hookcast/tenants/worker"
)

// Dispatcher follows the table's change feed and sends a message for each new event to each endpoint that wants it.
type Dispatcher struct{ *Outbox }

// NewDispatcher returns a Dispatcher.
func NewDispatcher(o *Outbox) *Dispatcher { return &Dispatcher{o} }

// Run dispatches the changes of the feed until ctx ends. It retries until it succeeds: meanwhile the feed stands still.
func (d *Dispatcher) Run(ctx context.Context, feed tenants.Feed) {
	for failures := 0; ctx.Err() == nil; {
		changes, done, err := feed.Next(ctx, 256)
		if err == nil {
			if _, err = d.Persist(ctx, changes); err == nil {
				err = done(ctx)
			}
		}
		if err == nil || ctx.Err() != nil {
			failures = 0
			continue
		}
		failures++
		d.warn(ctx, "dispatching the table's changes failed", "error", err)
		worker.Wait(ctx, min(worker.RetryDelay(failures), worker.CallTime))
	}
}

// Persist calls Dispatch, and again with the failed changes, until all succeed or ctx is about to end.
func (d *Dispatcher) Persist(ctx context.Context, changes []tenants.Change) (failed []int, err error) {
	all := changes
	for try := 1; ; try++ {
		lost, err := d.Dispatch(ctx, changes)
		if len(lost) == 0 {
			return nil, nil
		}
		for i, index := range lost {
			if try > 1 {
				lost[i] = failed[index]
			}
		}
		failed, changes = lost, pick(all, lost)
		pause := worker.RetryDelay(try)
		if end, ok := ctx.Deadline(); ctx.Err() != nil || ok && time.Until(end) < pause+time.Second {
			return failed, err
		}
		worker.Wait(ctx, pause)
	}
}

// HoldsEvents reports whether rows of the kind are events in a channel's log, which are what Dispatch looks for.
func HoldsEvents(k tenants.Kind) bool { return strings.HasPrefix(string(k), "log/") }

// tenantEvents is the new events of one tenant and the indexes of their changes.
type tenantEvents struct {
	tenant tenants.TenantID
	events []tenants.Event
	from   []int
}

// Dispatch sends a message for each new event among the changes to each endpoint that wants it. It returns the
// indexes of the changes for which not all messages could be sent, in ascending order: the caller has to call it with
// them again. Rows of other kinds are ignored, and so are rows of a log that cannot be decoded.
//
// A tenant's endpoints are read after its events were committed: an endpoint that existed before an event receives it.
func (d *Dispatcher) Dispatch(ctx context.Context, changes []tenants.Change) (failed []int, err error) {
	var groups []*tenantEvents
	byTenant := make(map[tenants.TenantID]*tenantEvents)
	for i, c := range changes {
		if c.Deleted || !HoldsEvents(c.Row.Kind) {
			continue
		}
		e, err := tenants.DecodeEvent(c.Row.Body)
		if err != nil || e.Seq < 1 || e.Tenant != c.Row.Tenant {
			d.warn(ctx, "a row of a log is not an event and is not dispatched", "tenant", c.Row.Tenant)
			continue
		}
		g := byTenant[e.Tenant]
		if g == nil {
			g = &tenantEvents{tenant: e.Tenant}
			byTenant[e.Tenant], groups = g, append(groups, g)
		}
		g.events, g.from = append(g.events, e), append(g.from, i)
	}
	var failures worker.Failures
	worker.Each(&failures, groups, func(g *tenantEvents) []int { return g.from }, func(g *tenantEvents) error {
		return d.dispatch(ctx, g.tenant, g.events)
	})
	return failures.Result()
}

// dispatch sends the messages for one tenant's events. Those for an endpoint that takes nothing for now go to the
// waiting queue instead of its lanes. The tenant's healths are read once, when the first message needs one.
func (d *Dispatcher) dispatch(ctx context.Context, t tenants.TenantID, events []tenants.Event) error {
	all, err := d.Endpoints.All(ctx, t)
	if err != nil {
		return err
	}
	var ready, waiting []tenants.Message
	healths := sync.OnceValues(func() (map[string]endpoint.Health, error) {
		rows, err := d.Table.Query(ctx, tenants.Range{Tenant: t, Kind: endpoint.RowHealth, Limit: 1000})
		byID := make(map[string]endpoint.Health, len(rows))
		for i := 0; i < len(rows) && err == nil; i++ {
			byID[rows[i].Sort], err = record.Decode[endpoint.Health](rows[i])
		}
		return byID, err
	})
	for _, ep := range all {
		if ep.State != endpoint.Enabled {
			continue
		}
		for _, m := range d.messagesFor(ctx, ep, events) {
			known, err := healths()
			if err != nil {
				return err
			}
			h, now := known[ep.ID], time.Now()
			if until := h.FullUntil(now); m.Do == doChannel || until.IsZero() {
				ready = append(ready, m.ready(ep))
			} else {
				waiting = append(waiting, m.again(d.spread(until, h.Spread(now))).waiting(now))
			}
		}
	}
	if err := sendAll(ctx, d.Ready, ready); err != nil {
		return err
	}
	return sendAll(ctx, d.Waiting, waiting)
}

// messagesFor returns the messages for an endpoint: one for each event, or for each channel if it is ordered.
func (d *Dispatcher) messagesFor(ctx context.Context, ep endpoint.Endpoint, events []tenants.Event) (ms []message) {
	channels, now := make(map[string]int), time.Now().UTC() // by name, the indexes in ms
	for _, e := range events {
		if !d.accepts(ctx, ep, e) {
			continue
		}
		if !ep.Ordered {
			ms = append(ms, sendMessage(ep, e, "", now))
			continue
		}
		at, known := channels[e.Channel]
		if !known {
			at = len(ms)
			channels[e.Channel] = at
			ms = append(ms, message{Do: doChannel, Tenant: ep.Tenant, Endpoint: ep.ID, Channel: e.Channel, Began: now})
		}
		ms[at].Seq = max(ms[at].Seq, e.Seq)
	}
	return ms
}

// accepts reports whether the event is not older than the endpoint and matches its filters.
func (o *Outbox) accepts(ctx context.Context, ep endpoint.Endpoint, e tenants.Event) bool {
	if e.Time.Before(ep.Created) {
		return false
	}
	matches, err := o.Endpoints.Matches(ep, e)
	if err != nil {
		o.warn(ctx, "an endpoint's filter failed", "tenant", ep.Tenant, "endpoint", ep.ID, "event", e.ID, "error", err)
	}
	return matches
}

// sendMessage returns the message for the first attempt at a delivery.
func sendMessage(ep endpoint.Endpoint, e tenants.Event, replay string, began time.Time) message {
	return message{
		Do: doSend, Tenant: ep.Tenant, Endpoint: ep.ID, Delivery: deliveryID(ep.ID, e, replay), Channel: e.Channel,
		Seq: e.Seq, Event: e.ID, Replay: replay, Attempt: 1, Began: began.UTC(),
	}
}
