package eventlog

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// floor returns the oldest number that r and purges still show; end+1 where they show none.
func (l *Log) floor(ctx context.Context, ch tenants.ChannelKey, end int64, r tenants.Retention) (int64, error) {
	record, err := l.Channel(ctx, ch.Tenant, ch.Name)
	if err != nil && !tenants.IsNotFound(err) {
		return 0, err
	}
	low := record.PurgedTo + 1
	if r.Events > 0 {
		low = max(low, end-r.Events+1)
	}
	if r.Seconds > 0 && low <= end {
		return l.FirstSince(ctx, ch, low, end, time.Now().Unix()-r.Seconds)
	}
	return low, nil
}

// FirstSince returns the lowest number from low to end whose event was received at or after the Unix time since; end+1 if none
// was. Numbers are dense, so that a search by halves needs log2(end-low) reads. The first one looked at is low: mostly all
// of what count and purge leave is young enough. A row that has expired is old.
func (l *Log) FirstSince(ctx context.Context, ch tenants.ChannelKey, low, end, since int64) (int64, error) {
	high := end + 1 // the answer is from low to high
	for mid := low; low < high; mid = low + (high-low)/2 {
		e, err := l.At(ctx, ch, mid)
		if err != nil && !tenants.IsNotFound(err) {
			return 0, err
		}
		if err == nil && e.Time.Unix() >= since {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return low, nil
}
