package projection

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
	"github.com/hookcast/hookcast/tenants/worker"
)

// EventIndex lists a tenant's events over all its channels. It is written from the table's change feed.
//
// A row is a sheet: it describes events of one batch, and its Sort begins with the time of the newest. The feed
// repeats events and forms other batches, so sheets overlap; a reader merges them and takes each event once. No sheet
// spans more than sheetSpan, so a reader of a time need not look at sheets much newer than it.
type EventIndex struct{ table tenants.Table }

// NewEventIndex returns an EventIndex over the table that holds the log.
func NewEventIndex(t tenants.Table) *EventIndex { return &EventIndex{t} }

const (
	rowIndex    tenants.Kind = "index/events" // Sort: see sheetSort
	sheetEvents              = 250            // the most in one sheet; they fit into a row whatever their names are
	sheetSpan                = 2 * time.Second
)

// sheet is a row's body. Events with the same channel, source and type share a run.
type sheet struct{ Runs []sheetRun }

type sheetRun struct {
	Channel, Source, Type string
	Events                []sheetEvent
}

type sheetEvent struct {
	ID        string
	Seq       int64
	At        int64 // Unix time in nanoseconds
	Duplicate bool  `json:",omitempty"`
}

// sheetWrite is the write of a sheet, and the indexes of the changes that it is made from.
type sheetWrite struct {
	op   tenants.Op
	from []int
}

// Add indexes the events among changes, without those of Hookcast's own channels. Changes of other rows are ignored,
// and so are rows that were changed after they were appended, as a purge does. It returns the indexes of the changes
// that it could not index, in ascending order. The caller hands them in again.
func (x *EventIndex) Add(ctx context.Context, changes []tenants.Change) (failed []int, err error) {
	var f worker.Failures
	byTenant := make(map[tenants.TenantID][]logged)
	var order []tenants.TenantID
	for _, e := range eventsOf(changes, 1, &f) {
		if byTenant[e.Tenant] == nil {
			order = append(order, e.Tenant)
		}
		byTenant[e.Tenant] = append(byTenant[e.Tenant], e)
	}
	var writes []sheetWrite
	for _, t := range order {
		for _, events := range sheetsOf(byTenant[t]) {
			writes = append(writes, sheetOp(t, events))
		}
	}
	worker.Each(&f, writes, func(w sheetWrite) []int { return w.from }, func(w sheetWrite) error {
		if err := x.table.Write(ctx, w.op); !tenants.IsRefused(err) {
			return err
		}
		return nil // the sheet is there: the batch was indexed before
	})
	return f.Result()
}

// newestFirst is the order of a list. No two events of a tenant are equal in it.
func newestFirst(a, b tenants.EventRef) int {
	return cmp.Or(b.Time.Compare(a.Time), strings.Compare(b.Channel, a.Channel), cmp.Compare(b.Seq, a.Seq))
}

// sheetsOf sorts events and splits them where a sheet is full or would span too much.
func sheetsOf(events []logged) (sheets [][]logged) {
	slices.SortFunc(events, func(a, b logged) int { return newestFirst(a.ref(), b.ref()) })
	for begin := 0; begin < len(events); {
		end := begin + 1
		for end < len(events) && end-begin < sheetEvents && events[begin].Time.Sub(events[end].Time) < sheetSpan {
			end++
		}
		sheets = append(sheets, events[begin:end])
		begin = end
	}
	return sheets
}

// ref returns what an index has of the event.
func (e logged) ref() tenants.EventRef {
	return tenants.EventRef{
		ID: e.ID, Channel: e.Channel, Source: e.Source, Type: e.Type, Seq: e.Seq, Time: e.Time,
		Duplicate: e.DuplicateOf != "",
	}
}

// sheetOp returns the write of a sheet of events. The same events make the same row, so a repeated batch takes no room.
func sheetOp(t tenants.TenantID, events []logged) sheetWrite {
	type common struct{ channel, source, kind string }
	var s sheet
	var w sheetWrite
	runs := make(map[common]int)
	names := make([]string, 0, len(events))
	expires := events[0].row.Expires
	for _, e := range events {
		c := common{e.Channel, e.Source, e.Type}
		at, known := runs[c]
		if !known {
			at = len(s.Runs)
			runs[c] = at
			s.Runs = append(s.Runs, sheetRun{Channel: e.Channel, Source: e.Source, Type: e.Type})
		}
		s.Runs[at].Events = append(s.Runs[at].Events, sheetEvent{e.ID, e.Seq, e.Time.UnixNano(), e.DuplicateOf != ""})
		names = append(names, e.ID)
		w.from = append(w.from, e.from)
		// as late as the last of them
		if end := e.row.Expires; end.IsZero() || !expires.IsZero() && end.After(expires) {
			expires = end
		}
	}
	which := tenants.HashParts(names...)
	k := tenants.Key{Tenant: t, Kind: rowIndex, Sort: sheetSort(events[0].Time) + "." + hex.EncodeToString(which[:8])}
	w.op = tenants.Put(k, record.Encode(s), expires, tenants.Absent())
	return w
}

// sheetSort returns where the Sort of a sheet begins whose newest event is of the time at.
func sheetSort(at time.Time) string { return fmt.Sprintf("%019d", max(0, at.UnixNano())) }

// events returns the events of the sheet.
func (s sheet) events() (events []tenants.EventRef) {
	for _, r := range s.Runs {
		for _, e := range r.Events {
			events = append(events, tenants.EventRef{
				ID: e.ID, Channel: r.Channel, Source: r.Source, Type: r.Type,
				Seq: e.Seq, Time: time.Unix(0, e.At).UTC(), Duplicate: e.Duplicate,
			})
		}
	}
	return events
}
