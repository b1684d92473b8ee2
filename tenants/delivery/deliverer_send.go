package delivery

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/worker"
)

// task is one delivery in hand.
type task struct {
	ep    endpoint.Endpoint
	m     errand
	d     Delivery
	was   tenants.Condition // of d's row
	event tenants.Event
	h     endpoint.Health
}

// send makes the attempt that the errand is for, unless it is done.
func (d *Deliverer) send(ctx context.Context, ep endpoint.Endpoint, m errand, away bool) (Outcome, error) {
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
			t.h, _, err = d.healths().Find(ctx, m.Tenant, m.Endpoint)
		}
		return err
	})
	if err != nil {
		return OutcomeFailed, err
	}
	if !t.was.IsAbsent() && (t.d.State != Pending || m.Attempt <= t.d.Attempts) {
		return OutcomeDropped, nil
	}
	if t.was.IsAbsent() {
		t.d = Delivery{
			ID: m.Delivery, Tenant: m.Tenant, Endpoint: m.Endpoint, Event: m.Event, Channel: m.Channel, Seq: m.Seq, Type: t.event.Type,
			Replay: m.Replay, State: Pending, Began: m.Began,
		}
	}
	if lost {
		return outcomeOf(OutcomeDead, d.die(ctx, t, ReasonEventGone))
	}
	until, err := d.mayTry(ctx, &t, away)
	if err != nil {
		return OutcomeFailed, err
	}
	if !until.IsZero() {
		if !until.Before(ep.Deadline(t.d.Began)) {
			return outcomeOf(OutcomeDead, d.die(ctx, t, ReasonExpired))
		}
		return outcomeOf(OutcomeHeld, d.wait(ctx, m.again(until)))
	}
	return d.attempt(ctx, t, func(ctx context.Context, next time.Time, number int) error {
		again := m.again(next)
		again.Attempt, again.Began, again.Force = number, t.d.Began, false
		// The queue may have had a message for this attempt a moment ago, whose receiver made the one before instead: this one must not be its repetition.
		again.Hop = time.Now().UnixNano()
		return d.wait(ctx, again)
	})
}

// event reads an event as it is in the log. It is not there, no longer, or its payload has been purged: NotFound.
func (o *Outbox) event(ctx context.Context, t tenants.TenantID, channel string, seq int64, id string) (tenants.Event, error) {
	ch := tenants.ChannelKey{Tenant: t, Name: channel}
	e, err := o.Log.At(ctx, ch, seq)
	if err != nil {
		return tenants.Event{}, err
	}
	none := tenants.Errorf(tenants.NotFound, "event_not_found", "there is no such event")
	if e.ID != id {
		return tenants.Event{}, none
	}
	if len(e.Data) == 0 { // it came without, or was emptied
		c, err := o.Log.Channel(ctx, t, channel)
		if err != nil && !tenants.IsNotFound(err) {
			return tenants.Event{}, err
		}
		if seq <= c.PurgedTo {
			return tenants.Event{}, none
		}
	}
	return e, nil
}

// mayTry tells whether an attempt may be made now (zero), waiting for its turn where that is near, or from when on it may be asked again.
func (d *Deliverer) mayTry(ctx context.Context, t *task, away bool) (time.Time, error) {
	now := time.Now()
	if away {
		return d.spread(now.Add(endpoint.RecheckEvery), endpoint.RecheckEvery/4), nil
	}
	if until := t.h.HeldUntil(now); !until.IsZero() && !t.m.Force {
		return d.spread(until, t.h.Spread(now)), nil
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
	if t.h.Open.IsZero() || t.m.Force {
		return time.Time{}, nil
	}
	mine, err := d.healths().ClaimProbe(ctx, t.ep.Tenant, t.ep.ID, time.Now())
	if err != nil || mine {
		return time.Time{}, err
	}
	return d.spread(now.Add(endpoint.OpenFirst), endpoint.OpenFirst), nil
}
