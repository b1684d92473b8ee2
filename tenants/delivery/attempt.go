package delivery

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/record"
	"github.com/hookcast/hookcast/tenants/worker"
)

// attempt posts the event and records what came of it. Where there is to be another attempt, later is told of it first: what is recorded has
// always somebody who sees to it, and what is not is done again.
func (d *Deliverer) attempt(ctx context.Context, t task, later func(ctx context.Context, due time.Time, number int) error) (Outcome, error) {
	at := time.Now()
	out, err := d.Endpoints.Prepare(ctx, t.ep, t.d.ID, t.event, at)
	if err != nil {
		if k := tenants.KindOf(err); k == tenants.Internal || k == tenants.Unprocessable {
			d.warn(ctx, "nothing can be sent to an endpoint", "tenant", t.ep.Tenant, "endpoint", t.ep.ID, "error", err)
			return outcomeOf(OutcomeDead, d.die(ctx, t, ReasonUnusable))
		}
		return OutcomeFailed, err
	}
	a := d.post(ctx, out)
	if a.Failure == tenants.FailureCanceled {
		return OutcomeFailed, tenants.Errorf(tenants.Unavailable, "attempt_canceled", "an attempt was broken off")
	}
	ctx, cancel := recording(ctx)
	defer cancel()
	now := time.Now()
	d.learn(ctx, t, a, now)
	outcome, err := d.record(ctx, &t, a, now, later)
	if err == nil && a.Status == 410 {
		d.giveUp(ctx, t.ep, "it answered 410 Gone", now)
	}
	return outcome, err
}

// recording is ctx until its deadline, 10 s at most, and also where it is cancelled: what has been answered is to be noted, or the event is sent once more for nothing.
func recording(ctx context.Context) (context.Context, context.CancelFunc) {
	end := time.Now().Add(worker.SettleTime)
	if own, ok := ctx.Deadline(); ok && own.Before(end) {
		end = own
	}
	return context.WithDeadline(context.WithoutCancel(ctx), end)
}

// post sends the request, and once more at once where there was not even a connection, as when a server has just been restarted.
func (d *Deliverer) post(ctx context.Context, out tenants.Outgoing) Attempt {
	at := time.Now()
	answer := d.sender.Send(ctx, out)
	second := !answer.Connected && (answer.Failure == tenants.FailureConnect || answer.Failure == tenants.FailureDNS || answer.Failure == tenants.FailureTLS) &&
		answer.Took < endpoint.SecondTryWithin
	if second {
		if again := d.sender.Send(ctx, out); again.Failure != tenants.FailureCanceled {
			answer = again
		}
	}
	return Attempt{
		At: at.UTC(), Took: time.Since(at), Status: answer.Status, Failure: answer.Failure, Second: second, RetryAfter: max(answer.RetryAfter, 0),
		Header: answer.Header, Body: answer.Body, Truncated: answer.Truncated,
	}
}

// recordTries is how often it is tried to record an attempt before its message is left to come again, and the attempt with it.
const recordTries = 6

// record notes the attempt in the delivery's row. Where another worker has noted something meanwhile (its message came twice), both are kept:
// a success of either counts.
func (d *Deliverer) record(ctx context.Context, t *task, a Attempt, now time.Time, later func(context.Context, time.Time, int) error) (Outcome, error) {
	var outcome Outcome
	mine := t.d.Attempts + 1 // the number that this attempt was for
	random := d.random()
	armed := false
	for try := 1; ; try++ {
		to, o, next := t.after(a, now, mine, random)
		outcome = o
		if !next.IsZero() && !armed {
			if err := later(ctx, next, mine+1); err != nil {
				return OutcomeFailed, err
			}
			armed = true
		}
		err := d.Table.Write(ctx, to.ops(t.was, t.d.State, now)...)
		if err == nil {
			t.d = to
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
		found, was, err := d.find(ctx, t.ep.Tenant, t.ep.ID, t.d.ID) // it may have been written all the same
		if err != nil {
			continue
		}
		if found.has(a) {
			t.d = found
			return outcome, nil
		}
		if !was.IsAbsent() {
			t.d = found
		}
		t.was = was
	}
}

// has tells whether the attempt is in the history.
func (d Delivery) has(a Attempt) bool {
	for _, h := range d.History {
		if h.At.Equal(a.At) && h.Status == a.Status && h.Failure == a.Failure {
			return true
		}
	}
	return false
}

// after is the delivery behind the attempt, which was for the number mine, and when the next one is due, if any.
func (t *task) after(a Attempt, now time.Time, mine int, random float64) (to Delivery, o Outcome, next time.Time) {
	to = t.d
	to.History = append([]Attempt(nil), t.d.History...)
	a.Number = mine
	to.note(a)
	fenced := to.Attempts >= mine || to.State != Pending // somebody else was faster
	to.Attempts = max(to.Attempts, mine)
	wait, more := t.ep.NextWait(mine-to.Base, a.RetryAfter, random)
	due := now.Add(wait)
	switch {
	case a.Succeeded():
		to.State, to.Reason, to.Next = Delivered, "", time.Time{}
		return to, OutcomeDelivered, time.Time{}
	case fenced:
		return to, OutcomeDropped, time.Time{}
	case a.Status == 410:
		to.State, to.Reason, to.Next = Dead, ReasonGone, time.Time{}
		return to, OutcomeDead, time.Time{}
	case !more:
		to.State, to.Reason, to.Next = Dead, ReasonExhausted, time.Time{}
		return to, OutcomeDead, time.Time{}
	case !due.Before(t.ep.Deadline(to.Began)):
		to.State, to.Reason, to.Next = Dead, ReasonExpired, time.Time{}
		return to, OutcomeDead, time.Time{}
	}
	to.Next = due.UTC()
	return to, OutcomeRetry, due
}

// ops writes the delivery, which was in another state before, and with it its place among the dead letters.
func (d Delivery) ops(was tenants.Condition, before State, now time.Time) []tenants.Op {
	ops := []tenants.Op{d.put(was, now)}
	switch {
	case d.State == Dead:
		ops = append(ops, tenants.Put(d.deadKey(), record.Encode(deadRecord{Endpoint: d.Endpoint}), now.Add(deliveryLife), tenants.Anything()))
	case before == Dead:
		ops = append(ops, tenants.Delete(d.deadKey(), tenants.Anything()))
	}
	return ops
}

const rowDead tenants.Kind = "list/dead" // {tenant}, delivery id

// deadRecord says where a dead delivery is.
type deadRecord struct{ Endpoint string }

func (d Delivery) deadKey() tenants.Key {
	return tenants.Key{Tenant: d.Tenant, Kind: rowDead, Sort: d.ID}
}

// die ends a delivery without an attempt.
func (d *Deliverer) die(ctx context.Context, t task, reason string) error {
	before := t.d.State
	t.d.State, t.d.Reason, t.d.Next = Dead, reason, time.Time{}
	err := d.Table.Write(ctx, t.d.ops(t.was, before, time.Now())...)
	if tenants.IsRefused(err) {
		return tenants.Errorf(tenants.Unavailable, "delivery_contended", "a delivery has changed meanwhile")
	}
	return err
}
