package delivery

import (
	"bytes"
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/endpoint"
)

// Deliveries shows deliveries and steers them.
type Deliveries struct{ *Outbox }

// NewDeliveries makes a Deliveries.
func NewDeliveries(o *Outbox) *Deliveries { return &Deliveries{o} }

func deliveryNotFound() error {
	return tenants.Errorf(tenants.NotFound, "delivery_not_found", "there is no such delivery")
}

// Get returns one delivery: NotFound delivery_not_found, also where its endpoint is gone.
func (d *Deliveries) Get(ctx context.Context, t tenants.TenantID, id string) (Delivery, error) {
	found, _, _, err := d.look(ctx, t, id)
	return found, err
}

// look finds a delivery by its id: which endpoints it may be of, its id says.
func (d *Deliveries) look(ctx context.Context, t tenants.TenantID, id string) (Delivery, tenants.Condition, endpoint.Endpoint, error) {
	if !tenants.ValidID(tenants.PrefixDelivery, id) {
		return Delivery{}, tenants.Condition{}, endpoint.Endpoint{}, deliveryNotFound()
	}
	all, err := d.Endpoints.All(ctx, t)
	if err != nil {
		return Delivery{}, tenants.Condition{}, endpoint.Endpoint{}, err
	}
	tag := tagOf(id)
	for _, ep := range all {
		if !bytes.Equal(endpointTag(ep.ID), tag) {
			continue
		}
		found, was, err := d.find(ctx, t, ep.ID, id)
		if err != nil || !was.IsAbsent() {
			return found, was, ep, err
		}
	}
	return Delivery{}, tenants.Condition{}, endpoint.Endpoint{}, deliveryNotFound()
}

// Retry has the next attempt made now: of a pending delivery before it is due, of a dead or canceled one as the first of a new schedule. It goes
// out even where the endpoint is being left alone for its failures. Delivered: Conflict delivery_done. Its endpoint is not enabled:
// Conflict endpoint_not_enabled.
func (d *Deliveries) Retry(ctx context.Context, t tenants.TenantID, id string) (Delivery, error) {
	found, was, ep, err := d.look(ctx, t, id)
	if err != nil {
		return Delivery{}, err
	}
	if err := deliverable(ep); err != nil {
		return Delivery{}, err
	}
	switch found.State {
	case Delivered:
		return Delivery{}, tenants.Errorf(tenants.Conflict, "delivery_done", "the endpoint has the event; replay the event to send it again")
	case Pending:
		found.Next = time.Now().UTC()
		return found, d.Ready.Send(ctx, found.now(ep).ready(ep))
	}
	return d.revive(ctx, ep, found, was, true)
}

func deliverable(ep endpoint.Endpoint) error {
	if ep.State != endpoint.Enabled {
		return tenants.Errorf(tenants.Conflict, "endpoint_not_enabled", "the endpoint is %s; enable it first", ep.State)
	}
	return nil
}

// now is the errand for the delivery's next attempt at once.
func (x Delivery) now(ep endpoint.Endpoint) errand {
	now := time.Now()
	m := errand{
		Do: doSend, Tenant: x.Tenant, Endpoint: x.Endpoint, Delivery: x.ID, Channel: x.Channel, Seq: x.Seq, Event: x.Event, Replay: x.Replay,
		Attempt: x.Attempts + 1, Hop: now.UnixNano(), Began: x.Began, Force: true,
	}
	if ep.Ordered && x.Replay == "" && x.Base == 0 { // the head of its channel
		m.Do, m.Attempt = doPump, 0
	}
	return m
}

// revive takes a delivery up again that has ended. Its row says so first; then comes the message; and last it leaves the dead letters: who
// finds it there although it is pending, and not tried since, sends the message again.
func (o *Outbox) revive(ctx context.Context, ep endpoint.Endpoint, x Delivery, was tenants.Condition, force bool) (Delivery, error) {
	now := time.Now()
	dead, err := o.Table.Get(ctx, x.deadKey())
	if err != nil && !tenants.IsNotFound(err) {
		return x, err
	}
	if x.State != Pending {
		x.State, x.Reason, x.Base, x.Began, x.Next = Pending, "", x.Attempts, now.UTC(), now.UTC()
		if err := o.Table.Write(ctx, x.put(was, now)); err != nil {
			if tenants.IsRefused(err) {
				err = tenants.Errorf(tenants.Conflict, "changed_meanwhile", "the delivery has just changed; look again")
			}
			return x, err
		}
	}
	m := x.now(ep)
	m.Do, m.Attempt, m.Force = doSend, x.Attempts+1, force
	if err := o.Ready.Send(ctx, m.ready(ep)); err != nil {
		return x, err
	}
	if dead.Version > 0 {
		if err := o.Table.Write(ctx, tenants.Delete(dead.Key, tenants.At(dead.Version))); err != nil && !tenants.IsRefused(err) {
			o.warn(ctx, "a delivery that was taken up again is still among the dead letters", "tenant", x.Tenant, "delivery", x.ID, "error", err)
		}
	}
	return x, nil
}

// Cancel ends a pending delivery. Another: Conflict delivery_ended.
func (d *Deliveries) Cancel(ctx context.Context, t tenants.TenantID, id string) (Delivery, error) {
	found, was, ep, err := d.look(ctx, t, id)
	if err != nil {
		return Delivery{}, err
	}
	if found.State != Pending {
		return Delivery{}, tenants.Errorf(tenants.Conflict, "delivery_ended", "the delivery has ended already")
	}
	head := found.now(ep)
	found.State, found.Reason, found.Next = Canceled, ReasonCanceled, time.Time{}
	err = d.Table.Write(ctx, found.put(was, time.Now()))
	if tenants.IsRefused(err) {
		err = tenants.Errorf(tenants.Conflict, "changed_meanwhile", "the delivery has just changed; look again")
	}
	if err != nil {
		return Delivery{}, err
	}
	if head.Do == doPump { // those behind it need not wait for its next attempt
		if err := d.Ready.Send(ctx, head.ready(ep)); err != nil {
			d.warn(ctx, "a channel waits behind a canceled delivery", "tenant", t, "endpoint", ep.ID, "channel", found.Channel, "error", err)
		}
	}
	return found, nil
}

// ReplayEvent sends an event to an endpoint, whether it has it already or its filters let it through, and returns the new delivery, which is
// written once it has been tried. No such event: NotFound event_not_found.
func (d *Deliveries) ReplayEvent(ctx context.Context, t tenants.TenantID, event, endpoint string, r tenants.Retention) (Delivery, error) {
	ep, err := d.Endpoints.Get(ctx, t, endpoint)
	if err == nil {
		err = deliverable(ep)
	}
	if err != nil {
		return Delivery{}, err
	}
	e, err := d.Log.Event(ctx, t, event, r)
	if err != nil {
		return Delivery{}, err
	}
	now := time.Now().UTC()
	m := sendErrand(ep, e, tenants.NewID(tenants.PrefixReplay), now)
	if err := d.Ready.Send(ctx, m.ready(ep)); err != nil {
		return Delivery{}, err
	}
	return Delivery{
		ID: m.Delivery, Tenant: t, Endpoint: ep.ID, Event: e.ID, Channel: e.Channel, Seq: e.Seq, Type: e.Type, Replay: m.Replay,
		State: Pending, Began: now, Next: now, Updated: now,
	}, nil
}
