package projection

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
	"github.com/hookcast/hookcast/tenants/worker"
)

// MonthlyUsage counts the events of a tenant per calendar month (UTC), from the table's change feed, which has every event at least once and in
// no order to rely on.
//
// A row says of a channel which numbers of it fell into the month: the least and the greatest. The log is dense, so that this is how many
// there were; and a batch that is counted again, or late, or by two at once, changes nothing.
type MonthlyUsage struct{ table tenants.Table }

// NewMonthlyUsage makes a MonthlyUsage over the table that holds the log.
func NewMonthlyUsage(t tenants.Table) *MonthlyUsage { return &MonthlyUsage{t} }

// usageRecord is a row's body.
type usageRecord struct{ First, Last int64 }

// usageTries bounds how often a count is written anew since others write it, too.
const usageTries = 64

// usageLife is how long a month's rows stay behind its end: for 13 months to be compared.
const usageLife = 400 * 24 * time.Hour

// usageKind is the month's rows, by channel.
func usageKind(month time.Time) tenants.Kind { return tenants.Kind("usage/" + MonthOf(month)) }

// MonthOf is the name of a month, "2026-01".
func MonthOf(at time.Time) string { return at.UTC().Format("2006-01") }

// usageKey names a count.
type usageKey struct {
	tenants.ChannelKey
	month tenants.Kind
}

// countsForUsage tells whether rows of the kind are those that Count looks for.
func countsForUsage(k tenants.Kind) bool {
	channel, isEvent := strings.CutPrefix(string(k), "log/")
	return isEvent && tenants.Metered(channel)
}

// Count counts the rows of events that are among changes, those in Hookcast's own channels left out, and returns the indexes of those that it could not, in ascending order: they
// are to be handed in again. Rows of other kinds are let pass.
func (u *MonthlyUsage) Count(ctx context.Context, changes []tenants.Change) (failed []int, err error) {
	counts := make(map[usageKey]usageRecord)
	from := make(map[usageKey][]int)
	var keys []usageKey
	lost := make([]bool, len(changes))
	var errs []error
	for i, c := range changes {
		if c.Deleted || !countsForUsage(c.Row.Kind) {
			continue
		}
		e, err := tenants.DecodeEvent(c.Row.Body)
		if err != nil || e.Seq < 1 {
			lost[i] = true
			errs = append(errs, tenants.Errorf(tenants.Internal, "event_undecodable", "a row of a log is no event"))
			continue
		}
		k := usageKey{tenants.ChannelKey{Tenant: c.Row.Tenant, Name: strings.TrimPrefix(string(c.Row.Kind), "log/")}, usageKind(e.Time)}
		n, known := counts[k]
		if !known {
			keys = append(keys, k)
			n = usageRecord{First: e.Seq, Last: e.Seq}
		}
		counts[k] = usageRecord{First: min(n.First, e.Seq), Last: max(n.Last, e.Seq)}
		from[k] = append(from[k], i)
	}
	results := make([]error, len(keys))
	worker.Parallel(len(keys), worker.GroupsAtOnce, func(i int) error {
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

// add widens the row to n.
func (u *MonthlyUsage) add(ctx context.Context, k usageKey, n usageRecord) error {
	at := tenants.Key{Tenant: k.Tenant, Kind: k.month, Sort: k.Name}
	for range usageTries {
		row, err := u.table.Get(ctx, at)
		was := tenants.Absent()
		switch {
		case err == nil:
			have, err := record.Decode[usageRecord](row)
			if err != nil {
				return err
			}
			if have.First <= n.First && n.Last <= have.Last {
				return nil
			}
			n = usageRecord{min(have.First, n.First), max(have.Last, n.Last)}
			was = tenants.At(row.Version)
		case !tenants.IsNotFound(err):
			return err
		}
		err = u.table.Write(ctx, tenants.Put(at, record.Encode(n), time.Now().Add(usageLife), was))
		if !tenants.IsRefused(err) {
			return err
		}
	}
	return tenants.Errorf(tenants.Unavailable, "usage_contended", "a count is written from too many sides at once")
}
