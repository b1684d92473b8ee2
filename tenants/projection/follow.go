package projection

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/worker"
)

const (
	feedBatch = 1_000
	feedPause = 500 * time.Millisecond // between batches, so that single changes are handled together
	feedTries = 5
)

// taker handles a batch of changes and returns the indexes of those that failed, in ascending order.
type taker func(ctx context.Context, changes []tenants.Change) (failed []int, err error)

// follow hands the changes of feed to take until ctx ends. Changes that fail are tried feedTries times and then
// skipped, with the line lost in the log.
func follow(ctx context.Context, feed tenants.Feed, log *slog.Logger, lost string, take taker) {
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

func takeAll(ctx context.Context, changes []tenants.Change, log *slog.Logger, lost string, take taker) {
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

// logged is an event of a change, and the index of the change in its batch.
type logged struct {
	tenants.Event
	row  tenants.Row
	from int
}

// eventsOf returns the events in changes, without those of Hookcast's own channels, other rows, and rows of a later
// version than newest. It adds the rows that cannot be decoded to f. An event's Tenant and Channel are its row's.
func eventsOf(changes []tenants.Change, newest int64, f *worker.Failures) []logged {
	var events []logged
	for i, c := range changes {
		channel, isEvent := strings.CutPrefix(string(c.Row.Kind), "log/")
		if c.Deleted || c.Row.Version > newest || !isEvent || !tenants.Metered(channel) {
			continue
		}
		e, err := tenants.DecodeEvent(c.Row.Body)
		if err != nil || e.Seq < 1 {
			f.Add(tenants.Errorf(tenants.Internal, "event_undecodable", "a row of the log must be an event"), i)
			continue
		}
		e.Tenant, e.Channel = c.Row.Tenant, channel
		events = append(events, logged{e, c.Row, i})
	}
	return events
}

// Run counts the changes of feed until ctx ends. A change that still fails after five tries is skipped with a line in
// the log: the count is right again after the next event of its channel.
func (u *MonthlyUsage) Run(ctx context.Context, feed tenants.Feed, log *slog.Logger) {
	follow(ctx, feed, log, "events were not counted", u.Count)
}

// Run indexes the changes of feed until ctx ends. A change that still fails after five tries is skipped with a line
// in the log: its event is in its channel, and in no list over all channels.
func (x *EventIndex) Run(ctx context.Context, feed tenants.Feed, log *slog.Logger) {
	follow(ctx, feed, log, "events were not indexed", x.Add)
}
