package tenants

import (
	"context"
	"time"
)

// Retention is what of a channel a tenant may still read. It is a floor that readers apply: rows leave the table later, by
// expiry. 0 is no bound.
type Retention struct {
	Events  int64 // the newest so many
	Seconds int64 // those received in the last so many seconds; exact to the order in which events of one channel were received
}

// Retention returns the part of the limits that readers of a channel need.
func (l Limits) Retention() Retention {
	return Retention{Events: l.RetentionEvents, Seconds: l.RetentionSeconds}
}

// floor returns the oldest number that r and purges still show; end+1 where they show none.
func (l *Log) floor(ctx context.Context, ch ChannelKey, end int64, r Retention) (int64, error) {
	record, err := l.Channel(ctx, ch.Tenant, ch.Name)
	if err != nil && !notFound(err) {
		return 0, err
	}
	low := record.PurgedTo + 1
	if r.Events > 0 {
		low = max(low, end-r.Events+1)
	}
	if r.Seconds > 0 && low <= end {
		return l.youngest(ctx, ch, low, end, time.Now().Unix()-r.Seconds)
	}
	return low, nil
}

// youngest returns the lowest number from low to end whose event was received at or after the Unix time since; end+1 if none
// was. Numbers are dense, so that a search by halves needs log2(end-low) reads. The first one looked at is low: mostly all
// of what count and purge leave is young enough. A row that has expired is old.
func (l *Log) youngest(ctx context.Context, ch ChannelKey, low, end, since int64) (int64, error) {
	high := end + 1 // the answer is from low to high
	for mid := low; low < high; mid = low + (high-low)/2 {
		e, err := l.at(ctx, ch, mid)
		if err != nil && !notFound(err) {
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
