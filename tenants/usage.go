package tenants

import (
	"context"
	"errors"
	"strings"
	"time"
)

// MonthlyUsage counts the events of a tenant per calendar month (UTC), from the table's change feed, which has every event at least once and in
// no order to rely on.
//
// A row says of a channel which numbers of it fell into the month: the least and the greatest. The log is dense, so that this is how many
// there were; and a batch that is counted again, or late, or by two at once, changes nothing.
type MonthlyUsage struct{ table Table }

// NewMonthlyUsage makes a MonthlyUsage over the table that holds the log.
func NewMonthlyUsage(t Table) *MonthlyUsage { return &MonthlyUsage{t} }

// usageRecord is a row's body.
type usageRecord struct{ First, Last int64 }

// usageLife is how long a month's rows stay behind its end: for 13 months to be compared.
const usageLife = 400 * 24 * time.Hour

// usageKind is the month's rows, by channel.
func usageKind(month time.Time) Kind { return Kind("usage/" + month.UTC().Format("2006-01")) }

// usageKey names a count.
type usageKey struct {
	channelKey
	month Kind
}

// Count counts the rows of events that are among changes, and returns the indexes of those that it could not, in ascending order: they
// are to be handed in again. Rows of other kinds are let pass.
func (u *MonthlyUsage) Count(ctx context.Context, changes []Change) (failed []int, err error) {
	counts := make(map[usageKey]usageRecord)
	from := make(map[usageKey][]int)
	var keys []usageKey
	lost := make([]bool, len(changes))
	var errs []error
	for i, c := range changes {
		if c.Deleted || !isLogRow(c.Row.Key) {
			continue
		}
		e, err := DecodeEvent(c.Row.Body)
		if err != nil || e.Seq < 1 {
			lost[i] = true
			errs = append(errs, Errorf(Internal, "event_undecodable", "a row of a log is no event"))
			continue
		}
		k := usageKey{channelKey{c.Row.Tenant, strings.TrimPrefix(string(c.Row.Kind), "log/")}, usageKind(e.Time)}
		n, known := counts[k]
		if !known {
			keys = append(keys, k)
			n = usageRecord{First: e.Seq, Last: e.Seq}
		}
		counts[k] = usageRecord{First: min(n.First, e.Seq), Last: max(n.Last, e.Seq)}
		from[k] = append(from[k], i)
	}
	results := make([]error, len(keys))
	inParallel(len(keys), groupsAtOnce, func(i int) error {
		results[i] = u.add(ctx, keys[i], counts[keys[i]])
		return nil
	})
	for i, err := range results {
		if err != nil {
			errs = append(errs, err)
			for _, index := range from[keys[i]] {
				lost[index] = true
			}
		}
	}
	for i := range lost {
		if lost[i] {
			failed = append(failed, i)
		}
	}
	return failed, errors.Join(errs...)
}

// isLogRow tells whether k is the row of an event in a channel's log.
func isLogRow(k Key) bool { return strings.HasPrefix(string(k.Kind), "log/") }

// add widens the row to n.
func (u *MonthlyUsage) add(ctx context.Context, k usageKey, n usageRecord) error {
	at := Key{k.tenant, k.month, k.name}
	for range placeTries {
		row, err := u.table.Get(ctx, at)
		was := Absent()
		switch {
		case err == nil:
			have, err := decodeRecord[usageRecord](row)
			if err != nil {
				return err
			}
			if have.First <= n.First && n.Last <= have.Last {
				return nil
			}
			n = usageRecord{min(have.First, n.First), max(have.Last, n.Last)}
			was = At(row.Version)
		case !notFound(err):
			return err
		}
		err = u.table.Write(ctx, Put(at, encodeRecord(n), time.Now().Add(usageLife), was))
		if !wasRefused(err) {
			return err
		}
	}
	return Errorf(Unavailable, "usage_contended", "a count is written from too many sides at once")
}

// Month returns how many events the tenant's channels took in the month of at, as far as the feed was counted. An event's month is that
// of its Time; where times are not in the order of numbers, as behind a queue that stood still over the end of a month, an event
// may count in the earlier month in place of the later one, and in one of them only.
func (u *MonthlyUsage) Month(ctx context.Context, tenant TenantID, at time.Time) (events int64, err error) {
	before := make(map[string]int64) // each channel's last number of the month before
	first := time.Date(at.UTC().Year(), at.UTC().Month(), 1, 0, 0, 0, 0, time.UTC)
	err = u.each(ctx, tenant, first.AddDate(0, -1, 0), func(channel string, n usageRecord) { before[channel] = n.Last })
	if err == nil {
		err = u.each(ctx, tenant, first, func(channel string, n usageRecord) {
			events += max(0, n.Last-max(n.First-1, before[channel]))
		})
	}
	return events, err
}

func (u *MonthlyUsage) each(ctx context.Context, tenant TenantID, month time.Time, f func(channel string, n usageRecord)) error {
	for after := ""; ; {
		rows, err := u.table.Query(ctx, Range{Tenant: tenant, Kind: usageKind(month), After: after, Limit: 1000})
		if err != nil {
			return err
		}
		for _, row := range rows {
			n, err := decodeRecord[usageRecord](row)
			if err != nil {
				return err
			}
			f(row.Sort, n)
		}
		if len(rows) < 1000 {
			return nil
		}
		after = rows[len(rows)-1].Sort
	}
}
