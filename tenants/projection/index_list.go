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
	sheetsAtMost = 400 // that one List looks at, and what it takes to get past where it begins
)

// IndexQuery says which events a list is to have. What is zero does not narrow it.
type IndexQuery struct {
	Channel, Source, Type string
	Duplicate             *bool
	From, To              time.Time // From itself belongs to it, To does not
}

func (q IndexQuery) match(e tenants.EventRef) bool {
	return (q.Channel == "" || e.Channel == q.Channel) && (q.Source == "" || e.Source == q.Source) && (q.Type == "" || e.Type == q.Type) &&
		(q.Duplicate == nil || e.Duplicate == *q.Duplicate) && !e.Time.Before(q.From) && (q.To.IsZero() || e.Time.Before(q.To))
}

// List returns up to limit events, the newest first, behind the position after ("" from the newest), and the position to go on from: "" at the end. The
// work that it does is bounded, so that there may be fewer than limit, or none, and a position all the same. Of events of the same time
// the order is arbitrary, and always the same. An event that the feed brings in late, behind a position, is not in a list that has passed it.
// A position that is none: Invalid invalid_cursor.
func (x *EventIndex) List(ctx context.Context, tenant tenants.TenantID, q IndexQuery, after string, limit int) (events []tenants.EventRef, next string, err error) {
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
	var held []tenants.EventRef // match, and a sheet that is still to be read may have one that comes before
	for sheets := 0; ; {
		rows, err := x.table.Query(ctx, r)
		if err != nil {
			return nil, "", err
		}
		for _, row := range rows {
			s, err := record.Decode[sheet](row)
			if err != nil {
				return nil, "", err
			}
			for _, e := range s.events() {
				if newestFirst(begin, e) < 0 && q.match(e) {
					held = append(held, e)
				}
			}
		}
		sheets += len(rows)
		settled := time.Time{} // no sheet to come has anything newer than that
		if len(rows) == r.Limit {
			r.Before = rows[len(rows)-1].Sort
			nanos, err := strconv.ParseInt(r.Before[:min(19, len(r.Before))], 10, 64)
			if err != nil {
				return nil, "", tenants.Errorf(tenants.Internal, "record_undecodable", "%w", err)
			}
			settled = time.Unix(0, nanos)
		}
		slices.SortFunc(held, newestFirst)
		held = slices.CompactFunc(held, func(a, b tenants.EventRef) bool { return newestFirst(a, b) == 0 })
		n, _ := slices.BinarySearchFunc(held, settled, func(e tenants.EventRef, at time.Time) int { return at.Compare(e.Time) })
		if settled.IsZero() {
			n = len(held)
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

// atTime is the position before all events of at.
func atTime(at time.Time) tenants.EventRef {
	return tenants.EventRef{Time: at, Channel: "~", Seq: math.MaxInt64}
} // no channel's name has a ~

func endOfTime() time.Time { return time.Unix(0, math.MaxInt64) }

// parsePosition is the inverse of Position; "" is before all events.
func parsePosition(s string) (tenants.EventRef, error) {
	if s == "" {
		return atTime(endOfTime()), nil
	}
	at, rest, _ := strings.Cut(s, ":")
	seq, channel, found := strings.Cut(rest, ":")
	nanos, err := strconv.ParseInt(at, 10, 64)
	number, bad := strconv.ParseInt(seq, 10, 64)
	if !found || err != nil || bad != nil {
		return tenants.EventRef{}, tenants.Errorf(tenants.Invalid, "invalid_cursor", "the cursor is none of this list")
	}
	return tenants.EventRef{Time: time.Unix(0, nanos), Seq: number, Channel: channel}, nil
}
