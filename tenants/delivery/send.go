package delivery

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/worker"
)

// task is one delivery that a worker has in hand.
type task struct {
	ep     endpoint.Endpoint
	m      message
	d      Delivery
	was    tenants.Condition // of d's row
	event  tenants.Event
	health endpoint.Health
}

// send makes the attempt that the message asks for, unless it has been made.
func (d *Deliverer) send(ctx context.Context, ep endpoint.Endpoint, m message, paused bool) (Outcome, error) {
	t := task{ep: ep, m: m}
	lost := false // the event
	err := worker.Parallel(3, 3, func(i int) (err error) {
		switch i {
		case 0:
			t.d, t.was, err = d.find(ctx, m.Tenant, m.Endpoint, m.Delivery)
		case 1:
			t.event, err = d.event(ctx, m.Tenant, m.Channel, m.Seq, m.Event)
			if lost = tenants.IsNotFound(err); lost {
				err = nil
			}
		case 2:
			t.health, _, err = d.healths().Of(ctx, m.Tenant, m.Endpoint)
		}
		return err
	})
	if err != nil {
		return OutcomeFailed, err
	}
	if t.was.IsAbsent() {
		t.d = m.delivery(t.event.Type)
	} else if t.d.State != Pending || m.Attempt <= t.d.Attempts {
		return OutcomeDropped, nil
	}
	if lost {
		return d.die(ctx, t, ReasonEventGone)
	}
	until, err := d.holdUntil(ctx, t, paused)
	switch {
	case err != nil:
		return OutcomeFailed, err
	case until.IsZero():
	case until.Before(ep.Deadline(t.d.Began)):
		return outcomeOf(OutcomeHeld, d.wait(ctx, m.again(until)))
	default:
		return d.die(ctx, t, ReasonExpired)
	}
	return d.attempt(ctx, t, func(ctx context.Context, due time.Time, number int) error {
		next := m.again(due)
		next.Attempt, next.Began, next.Force = number, t.d.Began, false
		// The queue may have had a message for this attempt a moment ago, whose receiver made the attempt before it
		// instead. This message must not count as its repetition.
		next.Hop = time.Now().UnixNano()
		return d.wait(ctx, next)
	})
}

// event reads an event from the log. If it is not there or its payload has been purged, the error is NotFound.
func (o *Outbox) event(ctx context.Context, t tenants.TenantID, channel string, seq int64, id string) (
	tenants.Event, error) {
	e, err := o.Log.At(ctx, tenants.ChannelKey{Tenant: t, Name: channel}, seq)
	if err != nil {
		return tenants.Event{}, err
	}
	gone := e.ID != id
	if !gone && len(e.Data) == 0 { // it was published without data, or purged
		c, err := o.Log.Channel(ctx, t, channel)
		if err != nil && !tenants.IsNotFound(err) {
			return tenants.Event{}, err
		}
		gone = seq <= c.PurgedTo
	}
	if gone {
		return tenants.Event{}, tenants.Errorf(tenants.NotFound, "event_not_found", "there is no such event")
	}
	return e, nil
}

// holdUntil returns zero if the attempt may be made now; it waits for its turn if that is near. Otherwise it returns
// when to ask again.
func (d *Deliverer) holdUntil(ctx context.Context, t task, paused bool) (time.Time, error) {
	now := time.Now()
	if paused {
		return d.spread(now.Add(endpoint.RecheckEvery), endpoint.RecheckEvery/4), nil
	}
	if until := t.health.HeldUntil(now); !until.IsZero() && !t.m.Force {
		return d.spread(until, t.health.Spread(now)), nil
	}
	wait, ok, err := d.pace.Take(ctx, t.ep)
	if err != nil {
		return time.Time{}, err
	}
	if !ok {
		return d.spread(now.Add(wait), wait), nil
	}
	if wait > 0 {
		if err := worker.Pause(ctx, wait); err != nil {
			return time.Time{}, err
		}
	}
	if t.health.Open.IsZero() || t.m.Force {
		return time.Time{}, nil
	}
	mine, err := d.healths().ClaimProbe(ctx, t.ep.Tenant, t.ep.ID, time.Now())
	if err != nil || mine {
		return time.Time{}, err
	}
	return d.spread(now.Add(endpoint.OpenFirst), endpoint.OpenFirst), nil
}
