package tenants

import (
	"context"
	"sync"
	"time"
)

const (
	receiveAtMost = 256
	receiveWait   = 20 * time.Second
	batchTime     = 30 * time.Second // a batch in hand is finished within this, also once Run is told to end
)

// Run receives and appends with so many workers until ctx ends. Then each finishes the batch in its hands, and Run returns.
func (a *Appender) Run(ctx context.Context, workers int) {
	var all sync.WaitGroup
	for range workers {
		all.Go(func() { a.work(ctx) })
	}
	all.Wait()
}

func (a *Appender) work(ctx context.Context) {
	for errorsInRow := 0; ctx.Err() == nil; {
		rs, err := a.queue.Receive(ctx, receiveAtMost, receiveWait)
		if err == nil {
			errorsInRow = 0
			if len(rs) > 0 {
				a.finish(context.WithoutCancel(ctx), rs)
			}
			continue
		}
		if ctx.Err() != nil {
			return
		}
		errorsInRow++
		a.warn(ctx, "receive failed", "error", err)
		select {
		case <-time.After(retryDelay(errorsInRow)):
		case <-ctx.Done():
		}
	}
}

// finish appends a batch and settles it with the queue. Where the queue cannot be told, the messages come again, which
// does no harm.
func (a *Appender) finish(ctx context.Context, rs []Received) {
	ctx, cancel := context.WithTimeout(ctx, batchTime)
	defer cancel()
	failed := a.Append(ctx, rs)
	done := make([]Received, 0, len(rs))
	back := make([]Received, 0, len(failed))
	receives := 1
	for i, r := range rs {
		if len(failed) > 0 && failed[0] == i {
			failed = failed[1:]
			back = append(back, r)
			receives = max(receives, r.Receives)
			continue
		}
		done = append(done, r)
	}
	if len(done) > 0 {
		if err := a.queue.Done(ctx, done...); err != nil {
			a.warn(ctx, "done failed", "messages", len(done), "error", err)
		}
	}
	if len(back) > 0 {
		if err := a.queue.Release(ctx, retryDelay(receives), back...); err != nil {
			a.warn(ctx, "release failed", "messages", len(back), "error", err)
		}
	}
}
