package tenants

import (
	"context"
	"log/slog"
	"time"
)

const (
	receiveAtMost = 256
	batchTime     = 30 * time.Second // a batch in hand is finished within this, also once Run is told to end
)

// Run receives and appends with so many workers at most until ctx ends. Then each finishes the batch in its hands, and Run returns.
func (a *Appender) Run(ctx context.Context, workers int) {
	c := &crew{queue: a.queue, workers: workers, batch: receiveAtMost, logger: a.Logger, handle: func(rs []Received) []int {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), batchTime)
		defer cancel()
		return a.Append(ctx, rs)
	}}
	c.run(ctx)
}

// giveBack has the queue show messages that failed again before their visibility time is over: soon at first, and later the more often one of
// their group was received. Where the queue cannot be told they come again all the same, after that time.
func giveBack(ctx context.Context, q Queue, log *slog.Logger, rs ...Received) {
	if len(rs) == 0 {
		return
	}
	ctx, cancel := toSettle(ctx)
	defer cancel()
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
