package eventlog

import (
	"context"

	"github.com/hookcast/hookcast/tenants"
)

const (
	pageBytes = 4 << 20 // of rows: a page of this size ends before its limit
	firstRows = 32      // rows of unknown size that are read at once
)

// Page is the result of Log.Read.
type Page struct {
	Events   []tenants.Event // with consecutive numbers
	Gap      *Gap            // lost between the cursor and Events, or the tail if there are none; nil: nothing
	Tail     int64           // the channel's last number when the page was read
	Ended    bool            // the page or the cursor reaches the channel's last event, which has End
	Snapshot bool            // the page or the cursor reaches the channel's last event, which is a snapshot
}

// Gap is a range of a channel that a reader cannot get any more. A stream reports it, and its client reloads its state.
type Gap struct {
	Channel  string
	From, To int64 // the first and the last lost number
	Reset    bool  // the cursor was after the tail To, since the table was restored: the client's state is in doubt
}

// Cursor returns the cursor after the page, for a reader whose cursor was after.
func (p Page) Cursor(after int64) int64 {
	if n := len(p.Events); n > 0 {
		return p.Events[n-1].Seq
	}
	if p.Gap != nil {
		return p.Gap.To
	}
	return after
}

// Read returns up to limit (1 to 1,000) events after the number after, about 4 MiB of payloads at most, as of a
// moment during the call. It never skips a number silently: numbers below the floor of retention r are the page's
// Gap, and a number that is missing above the floor is waited for, up to 5 s, before it becomes a Gap. A page without
// events whose Cursor is its Tail is the end, for now.
func (l *Log) Read(ctx context.Context, tenant tenants.TenantID, channel string, after int64, limit int,
	r tenants.Retention) (Page, error) {
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

// rowsFrom returns the events from the number start on, up to the first missing number; none if start is missing.
func (l *Log) rowsFrom(ctx context.Context, ch tenants.ChannelKey, start int64, limit int) ([]tenants.Event, error) {
	var events []tenants.Event
	size := 0
	for want := min(limit, firstRows); ; {
		after := start + int64(len(events)) - 1
		rows, err := l.Table.Query(ctx, rowsAfter(ch, after, want))
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

// lastAt returns End and Snapshot of the channel's last event, which is at end.
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

// Event returns the event of that id. If it is not in the log (yet), or below the floor of retention r: kind
// NotFound, code event_not_found.
func (l *Log) Event(ctx context.Context, tenant tenants.TenantID, id string,
	r tenants.Retention) (tenants.Event, error) {
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
