package projection

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
	"github.com/hookcast/hookcast/tenants/worker"
)

// MonthlyUsage counts a tenant's events per calendar month (UTC) from the table's change feed. A row has the lowest
// and the highest number of a channel in a month, so a batch that is counted again, late, or by two processes changes
// nothing.
type MonthlyUsage struct{ table tenants.Table }

// NewMonthlyUsage returns a MonthlyUsage over the table that holds the log.
func NewMonthlyUsage(t tenants.Table) *MonthlyUsage { return &MonthlyUsage{t} }

// usageRecord is a row's body.
type usageRecord struct{ First, Last int64 }

// usageLife is how long a month's rows are kept after their last change, enough to compare 13 months.
const usageLife = 400 * 24 * time.Hour

// usageKind is the kind of a month's rows.
func usageKind(month time.Time) tenants.Kind { return tenants.Kind("usage/" + MonthOf(month)) }

// MonthOf returns the name of the month of at in UTC, such as "2026-01".
func MonthOf(at time.Time) string { return at.UTC().Format("2006-01") }

// Count counts the events among changes, without those of Hookcast's own channels; changes of other rows are ignored.
// It returns the indexes of the changes that it could not count, in ascending order. The caller hands them in again.
func (u *MonthlyUsage) Count(ctx context.Context, changes []tenants.Change) (failed []int, err error) {
	var f worker.Failures
	counts := make(map[tenants.Key]usageRecord)
	from := make(map[tenants.Key][]int)
	var keys []tenants.Key
	for _, e := range eventsOf(changes, math.MaxInt64, &f) {
		k := tenants.Key{Tenant: e.Tenant, Kind: usageKind(e.Time), Sort: e.Channel}
		n, known := counts[k]
		if !known {
			keys = append(keys, k)
			n = usageRecord{First: e.Seq, Last: e.Seq}
		}
		counts[k] = usageRecord{First: min(n.First, e.Seq), Last: max(n.Last, e.Seq)}
		from[k] = append(from[k], e.from)
	}
	worker.Each(&f, keys, func(k tenants.Key) []int { return from[k] }, func(k tenants.Key) error {
		return u.widen(ctx, k, counts[k])
	})
	return f.Result()
}

// widen widens the count at k to n.
func (u *MonthlyUsage) widen(ctx context.Context, k tenants.Key, n usageRecord) error {
	err := record.Update(ctx, u.table, k, func(now usageRecord, was tenants.Condition) ([]tenants.Op, error) {
		wide := n
		if !was.IsAbsent() {
			wide = usageRecord{min(now.First, n.First), max(now.Last, n.Last)}
		}
		if wide == now {
			return nil, nil
		}
		return []tenants.Op{tenants.Put(k, record.Encode(wide), time.Now().Add(usageLife), was)}, nil
	})
	if errors.Is(err, record.ErrContended) {
		return tenants.Errorf(tenants.Unavailable, "usage_contended", "the count has too many writers: try again")
	}
	return err
}
