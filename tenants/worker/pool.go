package worker

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// receiveWait is how long one Receive waits for messages, the most that SQS allows.
const receiveWait = 20 * time.Second

// Pool is a set of workers that drain one queue. While the queue is empty, a single goroutine waits for messages.
// Workers start when messages arrive, go on while there are more, and end: a goroutine that has read a table once
// keeps tens of KB of stack for as long as it lives.
//
// A message's visibility time runs from its receipt, so Pool receives messages only for a worker that is free.
type Pool struct {
	Queue   tenants.Queue
	Workers int          // the most batches at a time
	Batch   int          // the most messages of a batch
	Logger  *slog.Logger // nil: nothing is logged

	// Handle handles a batch. It returns the indexes of the messages that are not done, in ascending order, and has
	// made sure that they are received again.
	Handle func(rs []tenants.Received) (failed []int)
}

// Run receives and handles messages until ctx ends. It returns when the batches in work are done. Messages that
// arrive as ctx ends are released at once.
func (p *Pool) Run(ctx context.Context) {
	var working sync.WaitGroup
	defer working.Wait()
	places := make(chan struct{}, p.Workers)
	for errorsInRow := 0; ; {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			return
		}
		rs, err := p.receive(ctx, receiveWait)
		if len(rs) > 0 {
			errorsInRow = 0
			working.Go(func() {
				p.work(ctx, rs)
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
		p.warn(ctx, "receive failed", "error", err)
		Wait(ctx, RetryDelay(errorsInRow))
	}
}

// work handles a batch, and further ones while the queue has messages.
func (p *Pool) work(ctx context.Context, rs []tenants.Received) {
	for len(rs) > 0 {
		p.settle(rs, p.Handle(rs))
		rs, _ = p.receive(ctx, 0) // an error is Run's to report: its own Receive fails too
	}
}

// receive calls the queue's Receive, and keeps no message once ctx has ended.
func (p *Pool) receive(ctx context.Context, wait time.Duration) ([]tenants.Received, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	rs, err := p.Queue.Receive(ctx, p.Batch, wait)
	if len(rs) == 0 || ctx.Err() == nil {
		return rs, err
	}
	ctx, cancel := toSettle(ctx)
	defer cancel()
	if err := p.Queue.Release(ctx, 0, rs...); err != nil {
		p.warn(ctx, "release failed", "messages", len(rs), "error", err) // visible again when their time ends
	}
	return nil, nil
}

// settle removes the messages that are done from the queue. If that fails they come again, which does no harm.
func (p *Pool) settle(rs []tenants.Received, failed []int) {
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
	if err := p.Queue.Done(ctx, done...); err != nil {
		p.warn(ctx, "done failed", "messages", len(done), "error", err)
	}
}

// toSettle returns a context for a call that reports finished work, made even if ctx has ended.
func toSettle(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), SettleTime)
}

func (p *Pool) warn(ctx context.Context, msg string, args ...any) {
	if p.Logger != nil {
		p.Logger.WarnContext(ctx, msg, args...)
	}
}
