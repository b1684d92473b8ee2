package job

import (
	"context"
	"math"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/worker"
)

// claimPublishing reports whether there is something to publish and no process does so. The caller then has until
// ClaimedUntil to write r, whose next event is prepared, and to call publish.
func (r *storedJob) claimPublishing(now time.Time) bool {
	if !r.unpublished() || r.ClaimedUntil.After(now) {
		return false
	}
	r.continuePublishing(now)
	return true
}

// continuePublishing prepares the next event and extends the claim, if there is something left to publish.
func (r *storedJob) continuePublishing(now time.Time) {
	if r.unpublished() {
		r.ClaimedUntil = now.Add(claimTime)
		r.prepare(now)
	}
}

// maxPauses bounds how often a caller waits for an event to be due. The rest is left to the next report or to Watch.
const maxPauses = 5

// publish publishes what there is to publish of a job. An event that is due is sent at once. One that is due later is
// sent by a goroutine of Watch, or else publish waits for it. Unavailable: the next report or Watch sends the event.
func (j *Jobs) publish(ctx context.Context, r storedJob) error {
	err := j.sendPrepared(ctx, &r)
	if err == nil && r.unpublished() && !j.publishLater(r) {
		err = j.publishPaced(ctx, r, maxPauses)
	}
	if tenants.IsNotFound(err) {
		return nil // the tenant is deleted
	}
	return err
}

// publishPaced publishes events when they are due, with at most that many pauses.
func (j *Jobs) publishPaced(ctx context.Context, r storedJob, pauses int) (err error) {
	for ; r.unpublished() && pauses > 0; pauses-- {
		if !worker.Wait(ctx, r.delay(time.Now())) {
			return nil
		}
		r, err = j.change(ctx, r.Tenant, r.ID, func(r *storedJob, now time.Time) error {
			r.continuePublishing(now)
			return nil
		})
		if err != nil {
			return err
		}
		if err := j.sendPrepared(ctx, &r); err != nil {
			return err
		}
	}
	return nil
}

// publishLater starts a goroutine that publishes the job, and returns false if Watch does not run.
func (j *Jobs) publishLater(r storedJob) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.watching == nil || j.watching.Err() != nil {
		return false
	}
	ctx := j.watching
	j.background.Go(func() { _ = j.publishPaced(ctx, r, math.MaxInt) }) // Watch retries what fails
	return true
}

// sendPrepared sends the event that is under way, and those that are due after it.
func (j *Jobs) sendPrepared(ctx context.Context, r *storedJob) error {
	for r.Out != nil {
		if err := j.send(ctx, r); err != nil {
			return err
		}
		sent := r.Out.N
		var err error
		if *r, err = j.change(ctx, r.Tenant, r.ID, func(r *storedJob, now time.Time) error {
			if r.Out != nil && r.Out.N == sent {
				r.Out = nil
			}
			r.ClaimedUntil = time.Time{}
			r.continuePublishing(now)
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// send sends the event that is under way. The tenant's limits were checked when the report came and apply no more.
func (j *Jobs) send(ctx context.Context, r *storedJob) error {
	terms, err := j.intake.Terms(ctx, r.Tenant)
	switch {
	case err == nil:
	case tenants.KindOf(err) == tenants.Unavailable && !tenants.OwnJobChannel(r.Channel): // the retention is not known
		return err
	default:
		terms = intake.Terms{}
	}
	return j.intake.Send(ctx, terms, r.event())
}
