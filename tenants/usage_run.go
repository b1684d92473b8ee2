package tenants

import (
	"context"
	"log/slog"
	"time"
)

const (
	usageBatch = 1_000
	usagePause = 500 * time.Millisecond // between two batches, so that what comes one by one is counted together
	usageTries = 5
)

// Run counts what feed tells until ctx ends. A change that cannot be counted however often it is tried is let go with a line in the log: the
// next event of its channel makes up for it.
func (u *MonthlyUsage) Run(ctx context.Context, feed Feed, log *slog.Logger) {
	for failures := 0; ctx.Err() == nil; {
		changes, done, err := feed.Next(ctx, usageBatch)
		if err == nil {
			u.countAll(ctx, changes, log)
			err = done(ctx)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			failures++
			log.Warn("the table's changes could not be followed", "error", err)
			wait(ctx, min(retryDelay(failures), callTime))
			continue
		}
		failures = 0
		wait(ctx, usagePause)
	}
}

func (u *MonthlyUsage) countAll(ctx context.Context, changes []Change, log *slog.Logger) {
	for try := 1; ; try++ {
		failed, err := u.Count(ctx, changes)
		if len(failed) == 0 || ctx.Err() != nil {
			return
		}
		if try == usageTries {
			log.Error("events were not counted", "events", len(failed), "error", err)
			return
		}
		rest := make([]Change, 0, len(failed))
		for _, i := range failed {
			rest = append(rest, changes[i])
		}
		changes = rest
		wait(ctx, retryDelay(try))
	}
}
