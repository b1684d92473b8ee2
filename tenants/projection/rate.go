package projection

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

const (
	rateWindow = 10 * time.Second // longer than the feed's batches, short enough to follow a change
	rateEvents = 50_000           // the most events that are counted
)

// PerSecond returns the tenant's events per second over the ten seconds up to now, rounded up, as far as the change
// feed has been indexed. It counts every event in the log: published ones, webhooks and replays.
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
