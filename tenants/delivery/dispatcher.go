package delivery

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/record"
	"github.com/hookcast/hookcast/tenants/worker"
)

// Dispatcher follows the table's changes and gives each new event to the endpoints that it is for.
type Dispatcher struct{ *Outbox }

// NewDispatcher makes a Dispatcher.
func NewDispatcher(o *Outbox) *Dispatcher { return &Dispatcher{o} }

// HoldsEvents tells whether rows of the kind are events in a channel's log: what Dispatch looks for.
func HoldsEvents(k tenants.Kind) bool { return strings.HasPrefix(string(k), "log/") }

// Dispatch sends for each new event among changes a message to each endpoint that it is for, and returns the indexes of those of which not all
// messages could be sent, in ascending order: they are to be handed in again. Rows of other kinds are let pass, and so is a row of
// a log that is no event, which will never be one.
//
// A tenant's endpoints are read once, after its events were committed: an endpoint that was there before an event gets it.
func (d *Dispatcher) Dispatch(ctx context.Context, changes []tenants.Change) (failed []int, err error) {
	var order []tenants.TenantID
	events := make(map[tenants.TenantID][]tenants.Event)
	from := make(map[tenants.TenantID][]int)
	for i, c := range changes {
		if c.Deleted || !HoldsEvents(c.Row.Kind) {
			continue
		}
		e, err := tenants.DecodeEvent(c.Row.Body)
		if err != nil || e.Seq < 1 || e.Tenant != c.Row.Tenant {
			d.warn(ctx, "a row of a log is no event, and goes to no endpoint", "tenant", c.Row.Tenant)
			continue
		}
		if events[e.Tenant] == nil {
			order = append(order, e.Tenant)
		}
		events[e.Tenant] = append(events[e.Tenant], e)
		from[e.Tenant] = append(from[e.Tenant], i)
	}
	results := make([]error, len(order))
	worker.Parallel(len(order), worker.GroupsAtOnce, func(i int) error {
		results[i] = d.dispatch(ctx, order[i], events[order[i]])
		return nil
	})
	lost := make([]bool, len(changes))
	for i, err := range results {
		if err != nil {
			for _, at := range from[order[i]] {
				lost[at] = true
			}
		}
	}
	for i := range lost {
		if lost[i] {
			failed = append(failed, i)
		}
	}
	return failed, errors.Join(results...)
}

// dispatch sends what is to be sent of one tenant's events.
func (d *Dispatcher) dispatch(ctx context.Context, t tenants.TenantID, events []tenants.Event) error {
	all, err := d.Endpoints.All(ctx, t)
	if err != nil {
		return err
	}
	var ready, waiting []tenants.Message
	held := d.holds(t)
	for _, ep := range all {
		if ep.State != endpoint.Enabled {
			continue
		}
		for _, m := range d.errandsFor(ctx, ep, events) {
			h, err := held(ctx, ep)
			if err != nil {
				return err
			}
			until := h.FullUntil(time.Now())
			if m.Do == doPump || until.IsZero() {
				ready = append(ready, m.ready(ep))
				continue
			}
			waiting = append(waiting, m.again(d.spread(until, h.Spread(time.Now()))).waiting(time.Now()))
		}
	}
	if len(ready) > 0 {
		if err := d.Ready.Send(ctx, ready...); err != nil {
			return err
		}
	}
	if len(waiting) > 0 {
		return d.Waiting.Send(ctx, waiting...)
	}
	return nil
}

// holds returns what tells an endpoint's health, and with it until when new events are to wait elsewhere than in its lanes. It reads that of all the
// tenant's endpoints once, when somebody first asks.
func (d *Dispatcher) holds(t tenants.TenantID) func(context.Context, endpoint.Endpoint) (endpoint.Health, error) {
	var known map[string]endpoint.Health
	return func(ctx context.Context, ep endpoint.Endpoint) (endpoint.Health, error) {
		if known == nil {
			rows, err := d.Table.Query(ctx, tenants.Range{Tenant: t, Kind: endpoint.RowHealth, Limit: 1000})
			if err != nil {
				return endpoint.Health{}, err
			}
			known = make(map[string]endpoint.Health, len(rows))
			for _, row := range rows {
				if known[row.Sort], err = record.Decode[endpoint.Health](row); err != nil {
					return endpoint.Health{}, err
				}
			}
		}
		return known[ep.ID], nil
	}
}

// errandsFor are the messages for one endpoint: one for each event, or where it is ordered one for each channel.
func (d *Dispatcher) errandsFor(ctx context.Context, ep endpoint.Endpoint, events []tenants.Event) (ms []errand) {
	pumps, now := make(map[string]int), time.Now().UTC()
	for _, e := range events {
		if e.Time.Before(ep.Created) {
			continue
		}
		matches, err := d.Endpoints.Matches(ep, e)
		if err != nil {
			d.warn(ctx, "an event's endpoint cannot be told", "tenant", ep.Tenant, "endpoint", ep.ID, "event", e.ID, "error", err)
		}
		if !matches {
			continue
		}
		if !ep.Ordered {
			ms = append(ms, sendErrand(ep, e, "", now))
			continue
		}
		at, known := pumps[e.Channel]
		if !known {
			at = len(ms)
			pumps[e.Channel] = at
			ms = append(ms, errand{Do: doPump, Tenant: ep.Tenant, Endpoint: ep.ID, Channel: e.Channel, Began: now})
		}
		ms[at].Seq = max(ms[at].Seq, e.Seq)
	}
	return ms
}

// sendErrand is the errand for the first attempt at a delivery.
func sendErrand(ep endpoint.Endpoint, e tenants.Event, replay string, began time.Time) errand {
	return errand{
		Do: doSend, Tenant: ep.Tenant, Endpoint: ep.ID, Delivery: deliveryID(ep.ID, e, replay), Channel: e.Channel, Seq: e.Seq, Event: e.ID,
		Replay: replay, Attempt: 1, Began: began.UTC(),
	}
}
