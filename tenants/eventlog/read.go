package eventlog

import (
	"context"

	"github.com/hookcast/hookcast/tenants"
)

// pageBytes is the size of payloads at which a page ends before its limit.
const pageBytes = 4 << 20

// firstRows is how many rows of unknown size are asked for at once.
const firstRows = 32

// Page is what Log.Read found behind a cursor.
type Page struct {
	Events []tenants.Event // consecutive numbers
	Gap    *Gap            // what is lost between the cursor and Events, or the tail where there are none; nil: nothing
	Tail   int64           // the channel's last number when the page was read
	Ended  bool            // the channel's last event has End, and the page (or the cursor) reaches it
	// Snapshot: the channel's last event is one, likewise.
	Snapshot bool
}

// Gap is a range of a channel that a reader cannot have any more: the stream says so, and the reader reloads its state.
type Gap struct {
	Channel  string
	From, To int64 // first and last number that is lost
	Reset    bool  // the cursor was beyond the tail (the table was restored): whatever the reader holds is in doubt. It goes on behind To
}

// Cursor returns the position behind the page for a reader that was at after.
func (p Page) Cursor(after int64) int64 {
	if n := len(p.Events); n > 0 {
		return p.Events[n-1].Seq
	}
	if p.Gap != nil {
		return p.Gap.To
	}
	return after
}

// Read returns up to limit (1 to 1,000) events behind the number after, at most some 4 MiB of payloads, as of a moment within
// the call. It never skips a number silently: what is below the floor of retention r comes back as the page's Gap, and a number
// that is missing above it is waited for, up to 5 s, before it is given up as a Gap. A page without events whose Cursor
// is its Tail is the end, for now.
func (l *Log) Read(ctx context.Context, tenant tenants.TenantID, channel string, after int64, limit int, r tenants.Retention) (Page, error) {
	ch := tenants.ChannelKey{Tenant: tenant, Name: channel}
	after, limit = max(after, 0), min(max(limit, 1), 1000)
	end, err := l.Tail(ctx, tenant, channel)
	if err != nil {
		return Page{}, err
	}
	if after > end {
		return Page{Tail: end, Gap: &Gap{Channel: channel, From: min(1, end), To: end, Reset: true}}, nil
	}
	page := Page{Tail: end}
	if after == end {
		page.Ended, page.Snapshot, err = l.lastAt(ctx, ch, end)
		return page, err
	}
	start, err := l.floor(ctx, ch, end, r)
	if err != nil {
		return Page{}, err
	}
	for start = min(max(start, after+1), end+1); start <= end; {
		if page.Events, err = l.rowsFrom(ctx, ch, start, limit); err != nil {
			return Page{}, err
		}
		if len(page.Events) > 0 {
			break
		}
		if start, err = l.settle(ctx, ch, start, end); err != nil {
			return Page{}, err
		}
	}
	if start > after+1 {
		page.Gap = &Gap{Channel: channel, From: after + 1, To: start - 1}
	}
	if n := len(page.Events); n == 0 {
		page.Ended, page.Snapshot, err = l.lastAt(ctx, ch, end)
	} else if last := page.Events[n-1]; last.Seq >= end {
		page.Tail, page.Ended, page.Snapshot = last.Seq, last.End, last.Snapshot
	}
	return page, err
}

// rowsFrom returns the events from the number start on that follow one another without a hole; none where start is missing.
func (l *Log) rowsFrom(ctx context.Context, ch tenants.ChannelKey, start int64, limit int) ([]tenants.Event, error) {
	var events []tenants.Event
	size := 0
	for want := min(limit, firstRows); ; {
		next := start + int64(len(events))
		rows, err := l.Table.Query(ctx, tenants.Range{Tenant: ch.Tenant, Kind: EventKind(ch), After: seqSort(next - 1), Limit: want})
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			e, err := tenants.DecodeEvent(row.Body)
			if err != nil {
				return nil, err
			}
			if seq, err := rowSeq(row); err != nil || seq != start+int64(len(events)) {
				return events, err
			}
			events = append(events, e)
			size += len(row.Body)
		}
		if len(rows) < want || len(events) == limit || size >= pageBytes {
			return events, nil
		}
		average := size/len(events) + 1
		want = min(limit-len(events), max(1, (pageBytes-size)/average))
	}
}

// lastAt tells whether the event at end, the channel's last, is its publisher's last, and whether it is a snapshot.
func (l *Log) lastAt(ctx context.Context, ch tenants.ChannelKey, end int64) (ended, snapshot bool, err error) {
	if end == 0 {
		return false, false, nil
	}
	e, err := l.At(ctx, ch, end)
	if tenants.IsNotFound(err) {
		return false, false, nil
	}
	return e.End, e.Snapshot, err
}

// Event returns the event of that id. Kind NotFound, code event_not_found: it is not in the log (yet), or below the floor of
// retention r, as Read applies it.
func (l *Log) Event(ctx context.Context, tenant tenants.TenantID, id string, r tenants.Retention) (tenants.Event, error) {
	none := tenants.Errorf(tenants.NotFound, "event_not_found", "there is no such event")
	c, err := l.claimOf(ctx, tenant, id)
	if err != nil {
		if tenants.IsNotFound(err) {
			err = none
		}
		return tenants.Event{}, err
	}
	ch := tenants.ChannelKey{Tenant: tenant, Name: c.Channel}
	e, err := l.At(ctx, ch, c.Seq)
	if tenants.IsNotFound(err) || err == nil && e.ID != id {
		return tenants.Event{}, none
	}
	if err != nil {
		return tenants.Event{}, err
	}
	end, err := l.Tail(ctx, tenant, c.Channel)
	if err != nil {
		return tenants.Event{}, err
	}
	floor, err := l.floor(ctx, ch, end, r)
	if err != nil {
		return tenants.Event{}, err
	}
	if e.Seq < floor {
		return tenants.Event{}, none
	}
	return e, nil
}
