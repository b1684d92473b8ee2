package projection

import (
	"context"
	"log/slog"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/worker"
)

const (
	feedBatch = 1_000
	feedPause = 500 * time.Millisecond // between two batches, so that what comes one by one is dealt with together
	feedTries = 5
)

// follow hands what feed tells to take until ctx ends. take returns the indexes of what it could not deal with, which is handed to it again a few times
// and then let go, with a line in the log that begins with lost.
func follow(ctx context.Context, feed tenants.Feed, log *slog.Logger, lost string, take func(context.Context, []tenants.Change) ([]int, error)) {
	for failures := 0; ctx.Err() == nil; {
		changes, done, err := feed.Next(ctx, feedBatch)
		if err == nil {
			takeAll(ctx, changes, log, lost, take)
			err = done(ctx)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			failures++
			log.Warn("the table's changes could not be followed", "error", err)
			worker.Wait(ctx, min(worker.RetryDelay(failures), worker.CallTime))
			continue
		}
		failures = 0
		worker.Wait(ctx, feedPause)
	}
}

func takeAll(ctx context.Context, changes []tenants.Change, log *slog.Logger, lost string, take func(context.Context, []tenants.Change) ([]int, error)) {
	for try := 1; ; try++ {
		failed, err := take(ctx, changes)
		if len(failed) == 0 || ctx.Err() != nil {
			return
		}
		if try == feedTries {
			log.Error(lost, "events", len(failed), "error", err)
			return
		}
		rest := make([]tenants.Change, 0, len(failed))
		for _, i := range failed {
			rest = append(rest, changes[i])
		}
		changes = rest
		worker.Wait(ctx, worker.RetryDelay(try))
	}
}

// Run counts what feed tells until ctx ends. A change that cannot be counted however often it is tried is let go with a line in the log: the
// next event of its channel makes up for it.
func (u *MonthlyUsage) Run(ctx context.Context, feed tenants.Feed, log *slog.Logger) {
	follow(ctx, feed, log, "events were not counted", u.Count)
}

// Run takes what feed tells into the index until ctx ends. A change that cannot be taken in however often it is tried is let go with a line in the log: its
// event is in its channel, and in no list over all of them.
func (x *EventIndex) Run(ctx context.Context, feed tenants.Feed, log *slog.Logger) {
	follow(ctx, feed, log, "events were not indexed", x.Add)
}
