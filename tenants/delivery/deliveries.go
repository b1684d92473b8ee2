package delivery

import (
	"bytes"
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/endpoint"
)

// Deliveries lists, retries, cancels and replays deliveries.
type Deliveries struct{ *Outbox }

// NewDeliveries returns a Deliveries.
func NewDeliveries(o *Outbox) *Deliveries { return &Deliveries{o} }

// Get returns one delivery. If it or its endpoint does not exist, the error is NotFound delivery_not_found.
func (d *Deliveries) Get(ctx context.Context, t tenants.TenantID, id string) (Delivery, error) {
	found, _, _, err := d.look(ctx, t, id)
	return found, err
}

// look finds a delivery by its id, whose tag says which endpoints it can be of.
func (d *Deliveries) look(ctx context.Context, t tenants.TenantID, id string) (
	found Delivery, was tenants.Condition, ep endpoint.Endpoint, err error) {
	none := tenants.Errorf(tenants.NotFound, "delivery_not_found", "there is no such delivery")
	if !tenants.ValidID(tenants.PrefixDelivery, id) {
		return found, was, ep, none
	}
	all, err := d.Endpoints.All(ctx, t)
	if err != nil {
		return found, was, ep, err
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
	return found, was, ep, none
}

// Retry makes the next attempt now: at a pending delivery before it is due, at a dead or canceled one as the first of
// a new schedule. It does so even if the endpoint is held for its failures. If the event has been delivered, the
// error is Conflict delivery_done; if the endpoint is not enabled, Conflict endpoint_not_enabled.
func (d *Deliveries) Retry(ctx context.Context, t tenants.TenantID, id string) (Delivery, error) {
	found, was, ep, err := d.look(ctx, t, id)
	if err == nil {
		err = mustBeEnabled(ep)
	}
	if err != nil {
		return Delivery{}, err
	}
	switch found.State {
	case Delivered:
		return Delivery{}, tenants.Errorf(tenants.Conflict, "delivery_done",
			"the endpoint has received the event; replay the event to send it again")
	case Pending:
		found.Next = time.Now().UTC()
		return found, d.Ready.Send(ctx, found.retryMessage(ep).ready(ep))
	}
	return d.revive(ctx, ep, found, was, true)
}

func mustBeEnabled(ep endpoint.Endpoint) error {
	if ep.State != endpoint.Enabled {
		return tenants.Errorf(tenants.Conflict, "endpoint_not_enabled", "the endpoint is %s; enable it first", ep.State)
	}
	return nil
}

// retryMessage returns the message that makes the delivery's next attempt at once.
func (d Delivery) retryMessage(ep endpoint.Endpoint) message {
	m := message{
		Do: doSend, Tenant: d.Tenant, Endpoint: d.Endpoint, Delivery: d.ID, Channel: d.Channel, Seq: d.Seq,
		Event: d.Event, Replay: d.Replay, Attempt: d.Attempts + 1, Hop: time.Now().UnixNano(), Began: d.Began,
		Force: true,
	}
	if ep.Ordered && d.Replay == "" && d.Base == 0 { // its channel waits for it
		m.Do, m.Attempt = doChannel, 0
	}
	return m
}

// revive begins an ended delivery anew. It writes the row, sends the message, and then removes the dead letter: if a
// dead letter's delivery is pending and has not been tried since, the message must be sent again.
func (o *Outbox) revive(ctx context.Context, ep endpoint.Endpoint, x Delivery, was tenants.Condition, force bool) (
	Delivery, error) {
	now := time.Now()
	dead, err := o.Table.Get(ctx, x.deadKey())
	if err != nil && !tenants.IsNotFound(err) {
		return x, err
	}
	if x.State != Pending {
		x.State, x.Reason, x.Base, x.Began, x.Next = Pending, "", x.Attempts, now.UTC(), now.UTC()
		if err := o.Table.Write(ctx, x.put(was, now)); err != nil {
			return x, changedMeanwhile(err)
		}
	}
	m := x.retryMessage(ep)
	m.Do, m.Attempt, m.Force = doSend, x.Attempts+1, force
	if err := o.Ready.Send(ctx, m.ready(ep)); err != nil || dead.Version == 0 {
		return x, err
	}
	err = o.Table.Write(ctx, tenants.Delete(dead.Key, tenants.At(dead.Version)))
	if err != nil && !tenants.IsRefused(err) {
		o.warn(ctx, "a revived delivery kept its dead letter", "tenant", x.Tenant, "delivery", x.ID, "error", err)
	}
	return x, nil
}

func changedMeanwhile(err error) error {
	if tenants.IsRefused(err) {
		return tenants.Errorf(tenants.Conflict, "changed_meanwhile", "the delivery has just changed; read it again")
	}
	return err
}

// Cancel ends a pending delivery. If it has ended already, the error is Conflict delivery_ended.
func (d *Deliveries) Cancel(ctx context.Context, t tenants.TenantID, id string) (Delivery, error) {
	found, was, ep, err := d.look(ctx, t, id)
	if err != nil {
		return Delivery{}, err
	}
	if found.State != Pending {
		return Delivery{}, tenants.Errorf(tenants.Conflict, "delivery_ended", "the delivery has ended already")
	}
	m := found.retryMessage(ep)
	found = found.ended(Canceled, ReasonCanceled)
	if err := d.Table.Write(ctx, found.put(was, time.Now())); err != nil {
		return Delivery{}, changedMeanwhile(err)
	}
	if m.Do == doChannel { // the next events need not wait until the attempt would have been due
		if err := d.Ready.Send(ctx, m.ready(ep)); err != nil {
			d.warn(ctx, "a channel waits for a canceled delivery", "tenant", t, "delivery", id, "error", err)
		}
	}
	return found, nil
}

// ReplayEvent sends an event to an endpoint, even if it has received it or its filters do not match. The row of the
// returned delivery is written by the first attempt. If there is no such event, the error is NotFound event_not_found.
func (d *Deliveries) ReplayEvent(ctx context.Context, t tenants.TenantID, event, endpoint string, r tenants.Retention) (
	Delivery, error) {
	ep, err := d.Endpoints.Get(ctx, t, endpoint)
	if err == nil {
		err = mustBeEnabled(ep)
	}
	if err != nil {
		return Delivery{}, err
	}
	e, err := d.Log.Event(ctx, t, event, r)
	if err != nil {
		return Delivery{}, err
	}
	m := sendMessage(ep, e, tenants.NewID(tenants.PrefixReplay), time.Now())
	if err := d.Ready.Send(ctx, m.ready(ep)); err != nil {
		return Delivery{}, err
	}
	x := m.delivery(e.Type)
	x.Next, x.Updated = m.Began, m.Began
	return x, nil
}
