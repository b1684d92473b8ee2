package worker

import (
	"context"
	"log/slog"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

const (
	GroupsAtOnce = 32               // groups of a batch, such as channels, that are worked on at the same time
	NodesAtOnce  = 16               // streaming nodes that are called at the same time
	CallTime     = 5 * time.Second  // the limit of one call of a loop that must stay responsive
	SettleTime   = 10 * time.Second // the limit of a call that reports finished work, made even after ctx has ended
)

// RetryDelay returns how long to wait after the n-th failure in a row: 200 ms, doubling up to 30 s.
func RetryDelay(n int) time.Duration {
	return min(200*time.Millisecond<<min(max(n-1, 0), 10), 30*time.Second)
}

// GiveBack releases messages that failed before their visibility time ends, after a delay that grows with the number of
// times that a message of their group was received. If the release fails, they become visible when that time ends.
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

// Pause waits for d. It fails with Unavailable if ctx ends first.
func Pause(ctx context.Context, d time.Duration) error {
	if !Wait(ctx, d) {
		return tenants.Errorf(tenants.Unavailable, "cancelled", "%w", ctx.Err())
	}
	return nil
}

// Wait waits for d. It returns false if ctx ends first.
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
