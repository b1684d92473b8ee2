package job

import (
	"context"
	"math"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/worker"
)

// mind undertakes that what is not told yet of the job will be, and puts the next event on its way if it is due: true where nobody else has
// undertaken it and there is something to tell. Whoever gets true writes the record and calls settle.
func (r *jobRecord) mind(now time.Time) bool {
	if !r.unsent() || r.Minded.After(now) {
		return false
	}
	r.Minded = now.Add(mindTime)
	r.load(now)
	return true
}

// sent takes the event number n off its way, puts the next on it, and gives up minding where there is none.
func (r *jobRecord) sent(n int64, now time.Time) {
	if r.Out != nil && r.Out.N == n {
		r.Out = nil
	}
	r.Minded = time.Time{}
	if r.unsent() {
		r.Minded = now.Add(mindTime)
		r.load(now)
	}
}

// pausesAtMost is how often a caller's own time is spent waiting for what comes in meanwhile; what is left then the next report or Watch tells of.
const pausesAtMost = 5

// settle tells what is to be told of the job. What is due goes out at once; what has to wait goes out later where Watch runs, else
// the caller waits for it. Where an event cannot be sent, the next report or Watch sends it: Unavailable.
func (j *Jobs) settle(ctx context.Context, r jobRecord) error {
	err := j.flush(ctx, &r)
	if err == nil && r.unsent() && !j.afterwards(r) {
		err = j.settleWaiting(ctx, r, pausesAtMost)
	}
	if tenants.IsNotFound(err) {
		return nil // it has gone with its tenant
	}
	return err
}

// settleWaiting is settle for what has to wait, so often at most.
func (j *Jobs) settleWaiting(ctx context.Context, r jobRecord, pauses int) error {
	for ; r.unsent() && pauses > 0; pauses-- {
		if !worker.Wait(ctx, r.pause(time.Now())) {
			return nil
		}
		if err := j.wake(ctx, &r); err != nil {
			return err
		}
		if err := j.flush(ctx, &r); err != nil {
			return err
		}
	}
	return nil
}

// wake puts on its way what is due now.
func (j *Jobs) wake(ctx context.Context, r *jobRecord) (err error) {
	*r, err = j.change(ctx, r.Tenant, r.ID, func(r *jobRecord, now time.Time) error {
		if r.unsent() {
			r.Minded = now.Add(mindTime)
			r.load(now)
		}
		return nil
	})
	return err
}

// send sends the event that is on its way. Reports are held to the tenant's limits when they come; what came of them is not held back any more.
func (j *Jobs) send(ctx context.Context, r *jobRecord) error {
	terms, err := j.intake.Terms(ctx, r.Tenant)
	switch {
	case err == nil:
	case tenants.KindOf(err) == tenants.Unavailable && !tenants.OwnJobChannel(r.Channel): // for how long to keep it is not known
		return err
	default:
		terms = intake.Terms{}
	}
	return j.intake.Send(ctx, terms, r.event())
}

// afterwards has the job settled in the time of Watch; false where that does not run.
func (j *Jobs) afterwards(r jobRecord) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.watched == nil || j.watched.Err() != nil {
		return false
	}
	ctx := j.watched
	j.later.Go(func() { _ = j.settleWaiting(ctx, r, math.MaxInt) }) // what fails Watch itself finds
	return true
}

// flush sends what is on its way, one event after the other.
func (j *Jobs) flush(ctx context.Context, r *jobRecord) error {
	for r.Out != nil {
		if err := j.send(ctx, r); err != nil {
			return err
		}
		n := r.Out.N
		var err error
		if *r, err = j.change(ctx, r.Tenant, r.ID, func(r *jobRecord, now time.Time) error {
			r.sent(n, now)
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}
