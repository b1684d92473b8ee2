package projection

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
)

const (
	sheetsAtOnce = 50
	sheetsAtMost = 400 // per List, and those that it needs to get past its position
)

// IndexQuery selects events. A zero field selects all.
type IndexQuery struct {
	Channel, Source, Type string
	Duplicate             *bool
	From, To              time.Time // From is included, To is not
}

func (q IndexQuery) match(e tenants.EventRef) bool {
	return (q.Channel == "" || e.Channel == q.Channel) && (q.Source == "" || e.Source == q.Source) &&
		(q.Type == "" || e.Type == q.Type) && (q.Duplicate == nil || e.Duplicate == *q.Duplicate) &&
		!e.Time.Before(q.From) && (q.To.IsZero() || e.Time.Before(q.To))
}

// List returns up to limit events after the position after, the newest first; "" is before the newest. It also
// returns the position to continue from, "" at the end. Its work is bounded: it may return fewer events than limit,
// or none, and a position. Events of the same time have an arbitrary but fixed order. An event that the feed brings
// late is missing in a list that has passed its place. A malformed position: Invalid invalid_cursor.
func (x *EventIndex) List(ctx context.Context, tenant tenants.TenantID, q IndexQuery, after string,
	limit int) (events []tenants.EventRef, next string, err error) {
	begin, err := parsePosition(after)
	if err != nil {
		return nil, "", err
	}
	if q.From.After(endOfTime()) || !q.To.IsZero() && q.To.Before(time.Unix(0, 0)) {
		return nil, "", nil
	}
	if !q.To.IsZero() && q.To.Before(begin.Time) {
		begin = atTime(q.To)
	}
	r := tenants.Range{Tenant: tenant, Kind: rowIndex, Backward: true, Limit: sheetsAtOnce}
	if !begin.Time.Equal(endOfTime()) {
		r.Before = sheetSort(begin.Time.Add(sheetSpan))
	}
	if q.From.After(time.Unix(0, 0)) {
		r.After = sheetSort(q.From)
	}
	var held []tenants.EventRef // selected events that events of the next sheets may precede
	for sheets := 0; ; {
		found, settled, n, err := x.page(ctx, &r)
		if err != nil {
			return nil, "", err
		}
		sheets += n
		for _, e := range found {
			if newestFirst(begin, e) < 0 && q.match(e) {
				held = append(held, e)
			}
		}
		slices.SortFunc(held, newestFirst)
		held = slices.CompactFunc(held, func(a, b tenants.EventRef) bool { return newestFirst(a, b) == 0 })
		n = len(held)
		if !settled.IsZero() {
			n, _ = slices.BinarySearchFunc(held, settled, func(e tenants.EventRef, at time.Time) int {
				return at.Compare(e.Time)
			})
		}
		events = append(events, held[:n]...)
		held = held[n:]
		switch {
		case len(events) >= limit && (len(events) > limit || len(held) > 0 || !settled.IsZero()):
			return events[:limit], events[limit-1].Position(), nil
		case settled.IsZero():
			return events, "", nil
		case sheets >= sheetsAtMost && settled.Before(begin.Time):
			return events, atTime(settled).Position(), nil
		}
	}
}

// page reads the sheets in r and moves r past them. It returns their events, their number, and the time of the newest
// event that the next sheets may have: zero if there are no more.
func (x *EventIndex) page(ctx context.Context,
	r *tenants.Range) (events []tenants.EventRef, settled time.Time, n int, err error) {
	rows, err := x.table.Query(ctx, *r)
	for _, row := range rows {
		s, err := record.Decode[sheet](row)
		if err != nil {
			return nil, settled, 0, err
		}
		events = append(events, s.events()...)
	}
	if err == nil && len(rows) == r.Limit {
		r.Before = rows[len(rows)-1].Sort
		nanos, err := strconv.ParseInt(r.Before[:min(19, len(r.Before))], 10, 64)
		if err != nil {
			return nil, settled, 0, tenants.Errorf(tenants.Internal, "record_undecodable", "%w", err)
		}
		settled = time.Unix(0, nanos)
	}
	return events, settled, len(rows), err
}

// atTime returns the position before all events of the time at. No channel's name has a ~.
func atTime(at time.Time) tenants.EventRef {
	return tenants.EventRef{Time: at, Channel: "~", Seq: math.MaxInt64}
}

func endOfTime() time.Time { return time.Unix(0, math.MaxInt64) }

// parsePosition is the inverse of EventRef.Position; "" is before all events.
func parsePosition(s string) (tenants.EventRef, error) {
	if s == "" {
		return atTime(endOfTime()), nil
	}
	at, rest, _ := strings.Cut(s, ":")
	seq, channel, found := strings.Cut(rest, ":")
	nanos, err := strconv.ParseInt(at, 10, 64)
	number, bad := strconv.ParseInt(seq, 10, 64)
	if !found || err != nil || bad != nil {
		return tenants.EventRef{}, tenants.Errorf(tenants.Invalid, "invalid_cursor",
			"the cursor must be one that this list returned")
	}
	return tenants.EventRef{Time: time.Unix(0, nanos), Seq: number, Channel: channel}, nil
}

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
