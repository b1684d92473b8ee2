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
	second := !answer.Connected && slices.Contains(unconnected, answer.Failure) && answer.Took < endpoint.SecondTryWith
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
	wait, more := t.ep.After(a.Number-to.Base, a.RetryAfter, random)
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
