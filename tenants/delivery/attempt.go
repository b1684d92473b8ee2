package delivery

import (
	"context"
	"slices"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/record"
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
			t.event, err = d.event(ctx, m)
			if lost = tenants.IsNotFound(err); lost {
				err = nil
			}
		case 2:
			t.health, _, err = d.healths().Find(ctx, m.Tenant, m.Endpoint)
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

// event reads the message's event from the log. If it is not there or its payload has been purged, the error is
// NotFound.
func (o *Outbox) event(ctx context.Context, m message) (tenants.Event, error) {
	e, err := o.Log.At(ctx, tenants.ChannelKey{Tenant: m.Tenant, Name: m.Channel}, m.Seq)
	if err != nil {
		return tenants.Event{}, err
	}
	gone := e.ID != m.Event
	if !gone && len(e.Data) == 0 { // it was published without data, or purged
		c, err := o.Log.Channel(ctx, m.Tenant, m.Channel)
		if err != nil && !tenants.IsNotFound(err) {
			return tenants.Event{}, err
		}
		gone = m.Seq <= c.PurgedTo
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
	if err := worker.Pause(ctx, wait); err != nil {
		return time.Time{}, err
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

// scheduleNext sends the message for an attempt by its number and the time when it is due.
type scheduleNext func(ctx context.Context, due time.Time, number int) error

// attempt sends the event and records the result. If there is to be another attempt, it is scheduled before: a recorded
// attempt always has a successor, and one that is not recorded is made again.
func (d *Deliverer) attempt(ctx context.Context, t task, next scheduleNext) (Outcome, error) {
	out, err := d.Endpoints.Prepare(ctx, t.ep, t.d.ID, t.event, time.Now())
	if err != nil {
		if k := tenants.KindOf(err); k == tenants.Internal || k == tenants.Unprocessable {
			d.warn(ctx, "an endpoint cannot be sent anything", "tenant", t.ep.Tenant, "endpoint", t.ep.ID, "error", err)
			return d.die(ctx, t, ReasonUnusable)
		}
		return OutcomeFailed, err
	}
	a := d.post(ctx, out)
	if a.Failure == tenants.FailureCanceled {
		return OutcomeFailed, tenants.Errorf(tenants.Unavailable, "attempt_canceled", "the attempt was canceled")
	}
	ctx, cancel := recording(ctx)
	defer cancel()
	now := time.Now()
	d.noteAttempt(ctx, t, a, now)
	outcome, err := d.record(ctx, t, a, now, next)
	if err == nil && a.Status == 410 {
		d.giveUp(ctx, t.ep, "it answered 410 Gone")
	}
	return outcome, err
}

// recording returns a context that keeps ctx's deadline, at most 10 s, and ignores its cancellation: the result of a
// request that was answered must be recorded, or the event is sent again needlessly.
func recording(ctx context.Context) (context.Context, context.CancelFunc) {
	end := time.Now().Add(worker.SettleTime)
	if own, ok := ctx.Deadline(); ok && own.Before(end) {
		end = own
	}
	return context.WithDeadline(context.WithoutCancel(ctx), end)
}

// post sends the request, and sends it again at once if no connection came about, as when a server has just restarted.
func (d *Deliverer) post(ctx context.Context, out tenants.Outgoing) Attempt {
	unconnected := []tenants.Failure{tenants.FailureConnect, tenants.FailureDNS, tenants.FailureTLS}
	at := time.Now()
	answer := d.sender.Send(ctx, out)
	second := !answer.Connected && slices.Contains(unconnected, answer.Failure) &&
		answer.Took < endpoint.SecondTryWithin
	if second {
		if again := d.sender.Send(ctx, out); again.Failure != tenants.FailureCanceled {
			answer = again
		}
	}
	return Attempt{
		At: at.UTC(), Took: time.Since(at), Status: answer.Status, Failure: answer.Failure, Second: second,
		RetryAfter: max(answer.RetryAfter, 0), Header: answer.Header, Body: answer.Body, Truncated: answer.Truncated,
	}
}

// recordTries bounds the tries to record an attempt. Then its message comes again, and the attempt is made again.
const recordTries = 6

// record notes the attempt in the delivery's row. If another worker has noted one meanwhile (the message came twice),
// both are kept, and a success of either counts.
func (d *Deliverer) record(ctx context.Context, t task, a Attempt, now time.Time, next scheduleNext) (Outcome, error) {
	a.Number = t.d.Attempts + 1
	random := d.random()
	scheduled := false
	for try := 1; ; try++ {
		to, outcome := t.after(a, now, random)
		if outcome == OutcomeRetry && !scheduled {
			if err := next(ctx, to.Next, a.Number+1); err != nil {
				return OutcomeFailed, err
			}
			scheduled = true
		}
		err := d.Table.Write(ctx, to.ops(t.was, t.d.State, now)...)
		if err == nil {
			return outcome, nil
		}
		if try == recordTries {
			return OutcomeFailed, err
		}
		if !tenants.IsRefused(err) {
			if err := worker.Pause(ctx, worker.RetryDelay(try)); err != nil {
				return OutcomeFailed, err
			}
		}
		found, was, err := d.find(ctx, t.ep.Tenant, t.ep.ID, t.d.ID)
		switch {
		case err != nil:
			continue
		case found.has(a): // the write happened all the same
			return outcome, nil
		case !was.IsAbsent():
			t.d = found
		}
		t.was = was
	}
}

// has reports whether the attempt is in the history.
func (d Delivery) has(a Attempt) bool {
	return slices.ContainsFunc(d.History, func(h Attempt) bool {
		return h.At.Equal(a.At) && h.Status == a.Status && h.Failure == a.Failure
	})
}

// after returns the delivery after the attempt. Its Next is the time of the next attempt if the outcome is
// OutcomeRetry.
func (t task) after(a Attempt, now time.Time, random float64) (Delivery, Outcome) {
	to := t.d
	to.History = slices.Clone(to.History)
	to.note(a)
	superseded := to.Attempts >= a.Number || to.State != Pending // another worker was faster
	to.Attempts = max(to.Attempts, a.Number)
	wait, more := t.ep.NextWait(a.Number-to.Base, a.RetryAfter, random)
	due := now.Add(wait)
	switch {
	case a.Succeeded():
		return to.ended(Delivered, ""), OutcomeDelivered
	case superseded:
		return to, OutcomeDropped
	case a.Status == 410:
		return to.ended(Dead, ReasonGone), OutcomeDead
	case !more:
		return to.ended(Dead, ReasonExhausted), OutcomeDead
	case !due.Before(t.ep.Deadline(to.Began)):
		return to.ended(Dead, ReasonExpired), OutcomeDead
	}
	to.Next = due.UTC()
	return to, OutcomeRetry
}

// ended returns the delivery in a state that needs no further attempt.
func (d Delivery) ended(s State, reason string) Delivery {
	d.State, d.Reason, d.Next = s, reason, time.Time{}
	return d
}

// ops writes the delivery, whose state was before, and adds it to the dead letters or removes it.
func (d Delivery) ops(was tenants.Condition, before State, now time.Time) []tenants.Op {
	ops := []tenants.Op{d.put(was, now)}
	if d.State == Dead {
		letter := record.Encode(deadRecord{Endpoint: d.Endpoint})
		return append(ops, tenants.Put(d.deadKey(), letter, now.Add(deliveryLife), tenants.Anything()))
	}
	if before == Dead {
		return append(ops, tenants.Delete(d.deadKey(), tenants.Anything()))
	}
	return ops
}

// die ends a delivery without an attempt.
func (d *Deliverer) die(ctx context.Context, t task, reason string) (Outcome, error) {
	err := d.Table.Write(ctx, t.d.ended(Dead, reason).ops(t.was, t.d.State, time.Now())...)
	if tenants.IsRefused(err) {
		err = tenants.Errorf(tenants.Unavailable, "delivery_contended", "the delivery has changed meanwhile")
	}
	return outcomeOf(OutcomeDead, err)
}
