package worker

import (
	"context"
	"log/slog"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

const GroupsAtOnce = 32

const NodesAtOnce = 16

// RetryDelay is how long a message that has failed for the n-th time stays away: 200 ms doubling up to 30 s.
func RetryDelay(n int) time.Duration {
	return min(200*time.Millisecond<<min(max(n-1, 0), 10), 30*time.Second)
}

// GiveBack has the queue show messages that failed again before their visibility time is over: soon at first, and later the more often one of
// their group was received. Where the queue cannot be told they come again all the same, after that time.
func GiveBack(ctx context.Context, q tenants.Queue, log *slog.Logger, rs ...tenants.Received) {
	if len(rs) == 0 {
		return
	}
	ctx, cancel := toSettle(ctx)
	defer cancel()
	var groups []string
	byGroup := make(map[string][]tenants.Received)
	for _, r := range rs {
		if byGroup[r.Group] == nil {
			groups = append(groups, r.Group)
		}
		byGroup[r.Group] = append(byGroup[r.Group], r)
	}
	Parallel(len(groups), GroupsAtOnce, func(i int) error {
		back, receives := byGroup[groups[i]], 1
		for _, r := range back {
			receives = max(receives, r.Receives)
		}
		if err := q.Release(ctx, RetryDelay(receives), back...); err != nil && log != nil {
			log.WarnContext(ctx, "release failed", "messages", len(back), "error", err)
		}
		return nil
	})
}

// Pause waits, or fails when ctx ends first.
func Pause(ctx context.Context, d time.Duration) error {
	if !Wait(ctx, d) {
		return tenants.Errorf(tenants.Unavailable, "cancelled", "%w", ctx.Err())
	}
	return nil
}

const CallTime = 5 * time.Second // for one call about a lease

// Wait waits for d; false: ctx ended.
func Wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
