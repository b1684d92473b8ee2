package eventlog

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// A number that a query did not return, though a later one is there or the tail was past it, is usually a query that ran beside
// the write. So it is waited for, by consistent reads with growing pauses: some 5 s in all.
const (
	holeFirstPause = 50 * time.Millisecond
	holeLongest    = 5 * time.Second
)

// holeAge is the age from which a row cannot have been written beside a query of now.
const holeAge = time.Minute

// settle deals with the number missing, which a query from there did not find. It returns missing once the row is there, or the
// next number that is (end+1 where none is) once it is given up: the events between are lost, and the reader is to say so.
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
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return 0, tenants.Errorf(tenants.Unavailable, "cancelled", "%w", ctx.Err())
		}
		waited += pause
		pause = min(2*pause, holeLongest-waited)
	}
}

// nextPresent returns the first number that is there nextPresent missing, and whether its row is old: appended so long ago that what is
// missing before it has expired. Rows are kept for different times, so that one can go before its elders.
func (l *Log) nextPresent(ctx context.Context, ch tenants.ChannelKey, missing, end int64) (next int64, old bool, err error) {
	rows, err := l.Table.Query(ctx, tenants.Range{Tenant: ch.Tenant, Kind: EventKind(ch), After: seqSort(missing), Limit: 1})
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
