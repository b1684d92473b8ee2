package projection

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// rateWindow is what an average rate is taken over: longer than the feed's batches, short enough to move with what happens.
const rateWindow = 10 * time.Second

// rateEvents is how many events are counted at most.
const rateEvents = 50_000

// PerSecond returns how many of the tenant's events a second there were in the ten seconds up to now, rounded up, as far as the change feed
// has brought them. It counts what got into the log, from wherever it came: a sender's own events, webhooks, replays.
func (x *EventIndex) PerSecond(ctx context.Context, tenant tenants.TenantID, now time.Time) (int, error) {
	n := 0
	for after := ""; n < rateEvents; {
		page, next, err := x.List(ctx, tenant, IndexQuery{From: now.Add(-rateWindow)}, after, 1000)
		if err != nil {
			return 0, err
		}
		n += len(page)
		if after = next; after == "" {
			break
		}
	}
	seconds := int(rateWindow / time.Second)
	return (n + seconds - 1) / seconds, nil
}
