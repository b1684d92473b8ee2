package delivery

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/worker"
)

const dispatchBatch = 256

// Run dispatches what feed tells until ctx ends. What cannot be dispatched is tried until it can: the feed waits behind it.
func (d *Dispatcher) Run(ctx context.Context, feed tenants.Feed) {
	for failures := 0; ctx.Err() == nil; {
		changes, done, err := feed.Next(ctx, dispatchBatch)
		if err == nil {
			if _, err = d.Persist(ctx, changes); err == nil {
				err = done(ctx)
			}
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			failures++
			d.warn(ctx, "the table's changes could not be dispatched", "error", err)
			worker.Wait(ctx, min(worker.RetryDelay(failures), worker.CallTime))
			continue
		}
		failures = 0
	}
}

// Persist is Dispatch again and again for what failed, until nothing has or ctx is about to end.
func (d *Dispatcher) Persist(ctx context.Context, changes []tenants.Change) (failed []int, err error) {
	places := make([]int, len(changes))
	for i := range places {
		places[i] = i
	}
	for try := 1; ; try++ {
		lost, err := d.Dispatch(ctx, changes)
		if len(lost) == 0 {
			return nil, nil
		}
		rest, where := make([]tenants.Change, len(lost)), make([]int, len(lost))
		for i, at := range lost {
			rest[i], where[i] = changes[at], places[at]
		}
		changes, places = rest, where
		pause := worker.RetryDelay(try)
		if end, ok := ctx.Deadline(); ctx.Err() != nil || ok && time.Until(end) < pause+time.Second {
			return places, err
		}
		worker.Wait(ctx, pause)
	}
}
