package tenants

import (
	"context"
	"log/slog"
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
	for i, r := range rs {
		if len(failed) > 0 && failed[0] == i {
			failed = failed[1:]
			back = append(back, r)
			continue
		}
		done = append(done, r)
	}
	if len(done) > 0 {
		if err := a.queue.Done(ctx, done...); err != nil {
			a.warn(ctx, "done failed", "messages", len(done), "error", err)
		}
	}
	a.GiveBack(ctx, back...)
}

// GiveBack gives messages that failed back to the Appender's queue.
func (a *Appender) GiveBack(ctx context.Context, rs ...Received) {
	GiveBack(ctx, a.queue, a.Logger, rs...)
}

// GiveBack has the queue show messages that failed again before their visibility time is over: soon at first, and later the more often one of
// their group was received. Where the queue cannot be told they come again all the same, after that time.
func GiveBack(ctx context.Context, q Queue, log *slog.Logger, rs ...Received) {
	var groups []string
	byGroup := make(map[string][]Received)
	for _, r := range rs {
		if byGroup[r.Group] == nil {
			groups = append(groups, r.Group)
		}
		byGroup[r.Group] = append(byGroup[r.Group], r)
	}
	inParallel(len(groups), groupsAtOnce, func(i int) error {
		back, receives := byGroup[groups[i]], 1
		for _, r := range back {
			receives = max(receives, r.Receives)
		}
		if err := q.Release(ctx, retryDelay(receives), back...); err != nil && log != nil {
			log.WarnContext(ctx, "release failed", "messages", len(back), "error", err)
		}
		return nil
	})
}
