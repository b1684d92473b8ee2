package projection

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
	"github.com/hookcast/hookcast/tenants/worker"
)

// MonthUsage is how many events a tenant's channels received in a month.
type MonthUsage struct {
	Month  string // in UTC, such as "2026-01"
	Events int64
}

// MaxMonths is how many months are kept, and the most that Months returns.
const MaxMonths = 13

// Month returns how many events the tenant's channels received in the month of at, as far as the feed has been
// counted. An event's month is that of its Time. If times are not in the order of numbers, as after a queue that was
// stopped over the end of a month, an event may count in the earlier month instead of the later one, but never in
// both.
func (u *MonthlyUsage) Month(ctx context.Context, tenant tenants.TenantID, at time.Time) (events int64, err error) {
	months, err := u.Months(ctx, tenant, at, 1)
	if err != nil {
		return 0, err
	}
	return months[0].Events, nil
}

// Months returns the usage of n months, as Month does: that of last and those before it, the latest first.
func (u *MonthlyUsage) Months(ctx context.Context, tenant tenants.TenantID, last time.Time,
	n int) ([]MonthUsage, error) {
	n = max(1, min(n, MaxMonths))
	counts := make([]map[string]usageRecord, n+1) // the earliest month begins where the one before it ends
	first := time.Date(last.UTC().Year(), last.UTC().Month(), 1, 0, 0, 0, 0, time.UTC)
	err := worker.Parallel(n+1, worker.GroupsAtOnce, func(i int) (err error) {
		counts[i], err = u.channels(ctx, tenant, first.AddDate(0, -i, 0))
		return err
	})
	if err != nil {
		return nil, err
	}
	months := make([]MonthUsage, n)
	for i := range months {
		months[i].Month = MonthOf(first.AddDate(0, -i, 0))
		for channel, c := range counts[i] {
			months[i].Events += max(0, c.Last-max(c.First-1, counts[i+1][channel].Last))
		}
	}
	return months, nil
}

// channels returns the month's records by channel.
func (u *MonthlyUsage) channels(ctx context.Context, tenant tenants.TenantID,
	month time.Time) (map[string]usageRecord, error) {
	counts := make(map[string]usageRecord)
	for r := (tenants.Range{Tenant: tenant, Kind: usageKind(month), Limit: 1000}); ; {
		rows, err := u.table.Query(ctx, r)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			if counts[row.Sort], err = record.Decode[usageRecord](row); err != nil {
				return nil, err
			}
		}
		if len(rows) < r.Limit {
			return counts, nil
		}
		r.After = rows[len(rows)-1].Sort
	}
}

// Kinds returns the kinds of rows here that a tenant may have that was deleted at since.
func Kinds(since time.Time) []tenants.TenantKind {
	kinds := []tenants.TenantKind{{Kind: rowIndex}}
	first := time.Date(since.Year(), since.Month(), 1, 0, 0, 0, 0, time.UTC)
	for n := -1; n <= MaxMonths; n++ { // -1: the month may have ended since
		kinds = append(kinds, tenants.TenantKind{Kind: usageKind(first.AddDate(0, -n, 0))})
	}
	return kinds
}
