package worker

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

const (
	receiveWait = 20 * time.Second
	SettleTime  = 10 * time.Second // for what is said of work that is done; it is said also where its time is over
)

// Pool gives what a queue has to workers. One goroutine waits for messages, whatever the number of workers: those come when there is something to do, take
// more for as long as there is, and end. A goroutine that has read a table once keeps tens of KB of stack for as long as it lives.
//
// A message's visibility runs from when it is received, so none is received that no worker is free for.
type Pool struct {
	Queue   tenants.Queue
	Workers int          // so many batches are in hand at once, at most
	Batch   int          // so many messages in one, at most
	Logger  *slog.Logger // nil: nobody hears of what failed

	// handle deals with a batch and returns the indexes of the messages that are not done, in ascending order: it has seen to it that they
	// come again.
	Handle func(rs []tenants.Received) (failed []int)
}

// Run receives until ctx ends, and returns when what is in hand then is dealt with. What came along too late to be begun is given back at once.
func (c *Pool) Run(ctx context.Context) {
	var working sync.WaitGroup
	defer working.Wait()
	places := make(chan struct{}, c.Workers)
	for errorsInRow := 0; ; {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			return
		}
		rs, err := c.receive(ctx, receiveWait)
		if len(rs) > 0 {
			errorsInRow = 0
			working.Go(func() {
				c.work(ctx, rs)
				<-places
			})
			continue
		}
		<-places
		if err == nil || ctx.Err() != nil {
			errorsInRow = 0
			continue
		}
		errorsInRow++
		c.warn(ctx, "receive failed", "error", err)
		Wait(ctx, RetryDelay(errorsInRow))
	}
}

// work deals with a batch, and with others while there are any to be had at once.
func (c *Pool) work(ctx context.Context, rs []tenants.Received) {
	for len(rs) > 0 {
		c.settle(rs, c.Handle(rs))
		rs, _ = c.receive(ctx, 0) // where that fails, it does so for the one that waits too
	}
}

// receive is the queue's Receive, of which nothing remains in our hands once ctx has ended.
func (c *Pool) receive(ctx context.Context, wait time.Duration) ([]tenants.Received, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	rs, err := c.Queue.Receive(ctx, c.Batch, wait)
	if len(rs) == 0 || ctx.Err() == nil {
		return rs, err
	}
	ctx, cancel := toSettle(ctx)
	defer cancel()
	if err := c.Queue.Release(ctx, 0, rs...); err != nil {
		c.warn(ctx, "release failed", "messages", len(rs), "error", err) // they come again when their visibility is over
	}
	return nil, nil
}

// settle tells the queue which messages are done. Where it cannot be told they come again, which does no harm.
func (c *Pool) settle(rs []tenants.Received, failed []int) {
	done := make([]tenants.Received, 0, len(rs))
	for i, r := range rs {
		if len(failed) > 0 && failed[0] == i {
			failed = failed[1:]
			continue
		}
		done = append(done, r)
	}
	if len(done) == 0 {
		return
	}
	ctx, cancel := toSettle(context.Background())
	defer cancel()
	if err := c.Queue.Done(ctx, done...); err != nil {
		c.warn(ctx, "done failed", "messages", len(done), "error", err)
	}
}

// toSettle is a context for what is to be told a queue or a table although ctx may have ended.
func toSettle(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), SettleTime)
}

func (c *Pool) warn(ctx context.Context, msg string, args ...any) {
	if c.Logger != nil {
		c.Logger.WarnContext(ctx, msg, args...)
	}
}
