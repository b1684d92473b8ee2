package eventlog

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/worker"
)

// A query may miss a row that is written at the same time, and return a later one. So a missing number is waited for,
// by consistent reads with growing pauses, about 5 s in all.
const (
	holeFirstPause = 50 * time.Millisecond
	holeLongest    = 5 * time.Second
	holeAge        = time.Minute // a row of this age was not written at the same time as a query of now
)

// floor returns the oldest number that retention r and purges leave, end+1 if they leave none.
func (l *Log) floor(ctx context.Context, ch tenants.ChannelKey, end int64, r tenants.Retention) (int64, error) {
	c, err := l.Channel(ctx, ch.Tenant, ch.Name)
	if err != nil && !tenants.IsNotFound(err) {
		return 0, err
	}
	low := c.PurgedTo + 1
	if r.Events > 0 {
		low = max(low, end-r.Events+1)
	}
	if r.Seconds > 0 && low <= end {
		return l.FirstSince(ctx, ch, low, end, time.Now().Unix()-r.Seconds)
	}
	return low, nil
}

// FirstSince returns the lowest number from low to end whose event was received at or after the Unix time since,
// end+1 if there is none. An expired row counts as older. It searches by halves, with log2(end-low) reads, but tries
// low first, which is mostly the answer.
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

// settle decides about the number missing, which a query from there on did not return. It returns missing as soon as
// its row is there. If it gives up, it returns the next number present, end+1 if there is none; the numbers before
// that are lost.
func (l *Log) settle(ctx context.Context, ch tenants.ChannelKey, missing, end int64) (int64, error) {
	pause := holeFirstPause
	for waited := time.Duration(0); ; {
		if _, err := l.Table.Get(ctx, logRow(ch, missing)); !tenants.IsNotFound(err) {
			return missing, err
		}
		next, old, err := l.nextPresent(ctx, ch, missing, end)
		if err != nil {
			return 0, err
		}
		if old || waited >= holeLongest {
			return next, nil
		}
		if err := worker.Pause(ctx, pause); err != nil {
			return 0, err
		}
		waited += pause
		pause = min(2*pause, holeLongest-waited)
	}
}

// nextPresent returns the first number present after missing, end+1 if there is none. old reports that its row was
// appended so long ago that the rows missing before it have expired, not been written late: rows are kept for
// different times.
func (l *Log) nextPresent(ctx context.Context, ch tenants.ChannelKey, missing,
	end int64) (next int64, old bool, err error) {
	rows, err := l.Table.Query(ctx, rowsAfter(ch, missing, 1))
	if err != nil {
		return 0, false, err
	}
	if len(rows) == 0 {
		return end + 1, false, nil
	}
	if next, err = rowSeq(rows[0]); err != nil {
		return 0, false, err
	}
	e, err := tenants.DecodeEvent(rows[0].Body)
	if err != nil {
		return 0, false, err
	}
	appended := rows[0].Expires.Add(-max(e.Keep, keepAtLeast))
	return next, !rows[0].Expires.IsZero() && time.Since(appended) > holeAge, nil
}
