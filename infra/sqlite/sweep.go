package sqlite

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

const (
	sweepBatch = 200                   // rows in one transaction; it is small so that other calls do not wait long
	sweepPause = 20 * time.Millisecond // between two transactions
)

// sweepEvery calls Sweep at the interval until ctx ends. A failed sweep is repeated at the next tick.
func (db *DB) sweepEvery(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			db.Sweep(ctx)
		}
	}
}

// Sweep removes expired rows (which feeds return as deleted), old deduplication ids, and changes for which every feed
// has called done.
func (db *DB) Sweep(ctx context.Context) error {
	for _, some := range []func(*tx) (int64, error){
		(*tx).dropExpired,
		func(t *tx) (int64, error) { return t.execute(t.st.dropDedupes, t.ms, sweepBatch) },
		func(t *tx) (int64, error) { return t.execute(t.st.dropChanges, sweepBatch) },
	} {
		for {
			var n int64
			err := db.w.do(ctx, newJob(false, 0, func(t *tx) (err error) {
				n, err = some(t)
				return err
			}))
			if err != nil {
				return err
			}
			if n < sweepBatch {
				break
			}
			select {
			case <-time.After(sweepPause):
			case <-ctx.Done():
				return contextError(ctx)
			}
		}
	}
	return nil
}

func (t *tx) dropExpired() (n int64, err error) {
	rows, err := t.st.dropExpired.QueryContext(background, t.sec, sweepBatch)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var gone []tenants.Key
	for rows.Next() {
		var k tenants.Key
		if err := rows.Scan(&k.Tenant, &k.Kind, &k.Sort); err != nil {
			return 0, err
		}
		gone = append(gone, k)
	}
	if err := rows.Err(); err != nil {
		return 0, err
	}
	t.changed = t.changed || len(gone) > 0
	for _, k := range gone {
		if err := t.recordChange(k); err != nil {
			return 0, err
		}
	}
	return int64(len(gone)), nil
}
