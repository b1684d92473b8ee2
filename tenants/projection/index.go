package projection

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
	"github.com/hookcast/hookcast/tenants/worker"
)

// EventIndex lists a tenant's events over all its channels. It is written from the table's change feed, a row for each tenant and batch: whoever takes
// events in pays nothing for it, and it lags behind the log by what the feed does.
//
// A row (a sheet) holds what is to be known of its events to find them, and stands at the time of the newest. The feed gives events again, and other
// parts of a batch together, so that sheets overlap; a reader merges them and takes each event once. So that it need not look at all sheets for that, none
// spans more than sheetSpan: an event stands in no sheet that is that much newer than itself.
type EventIndex struct{ table tenants.Table }

// NewEventIndex makes an EventIndex over the table that holds the log.
func NewEventIndex(t tenants.Table) *EventIndex { return &EventIndex{t} }

const (
	rowIndex    tenants.Kind = "index/events" // {tenant}, time of the newest event and what tells the sheet from others
	sheetEvents              = 250            // at most in one sheet: a row has room for them whatever they are called
	sheetSpan                = 2 * time.Second
)

// sheet is a row's body. Most events of a batch have channel, source and type in common.
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

// indexing is an event on its way into the index.
type indexing struct {
	tenants.EventRef
	expires time.Time
	from    int // its place among the changes
}

// Add takes the rows of events that are among changes into the index, those of Hookcast's own channels left out, and returns the indexes of those that it
// could not, in ascending order: they are to be handed in again. Rows of other kinds are let pass, and so are rows that were written again, which a purge does.
func (x *EventIndex) Add(ctx context.Context, changes []tenants.Change) (failed []int, err error) {
	ids := make(map[tenants.TenantID][]indexing)
	var order []tenants.TenantID
	lost := make([]bool, len(changes))
	var errs []error
	for i, c := range changes {
		if c.Deleted || c.Row.Version > 1 || !countsForUsage(c.Row.Kind) {
			continue
		}
		e, err := tenants.DecodeEvent(c.Row.Body)
		if err != nil || e.Seq < 1 {
			lost[i] = true
			errs = append(errs, tenants.Errorf(tenants.Internal, "event_undecodable", "a row of a log is no event"))
			continue
		}
		channel := strings.TrimPrefix(string(c.Row.Kind), "log/")
		if _, known := ids[c.Row.Tenant]; !known {
			order = append(order, c.Row.Tenant)
		}
		ids[c.Row.Tenant] = append(ids[c.Row.Tenant], indexing{
			tenants.EventRef{ID: e.ID, Channel: channel, Source: e.Source, Type: e.Type, Seq: e.Seq, Time: e.Time, Duplicate: e.DuplicateOf != ""}, c.Row.Expires, i,
		})
	}
	type write struct {
		op tenants.Op
		of []indexing
	}
	var writes []write
	for _, t := range order {
		for _, events := range sheetsOf(ids[t]) {
			writes = append(writes, write{sheetOp(t, events), events})
		}
	}
	results := make([]error, len(writes))
	worker.Parallel(len(writes), worker.GroupsAtOnce, func(i int) error {
		if err := x.table.Write(ctx, writes[i].op); !tenants.IsRefused(err) { // it is there: the batch came again
			results[i] = err
		}
		return nil
	})
	for i, err := range results {
		if err != nil {
			errs = append(errs, err)
			for _, e := range writes[i].of {
				lost[e.from] = true
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

// newestFirst is the order of a list: no two events of a tenant are equal in it.
func newestFirst(a, b tenants.EventRef) int {
	return cmp.Or(b.Time.Compare(a.Time), strings.Compare(b.Channel, a.Channel), cmp.Compare(b.Seq, a.Seq))
}

// sheetsOf sorts events and parts them where a sheet is full or would span too much.
func sheetsOf(events []indexing) (sheets [][]indexing) {
	slices.SortFunc(events, func(a, b indexing) int { return newestFirst(a.EventRef, b.EventRef) })
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

// sheetOp writes a sheet. The same events make the same row, so that a batch that comes again as it was takes no room.
func sheetOp(t tenants.TenantID, events []indexing) tenants.Op {
	type common struct{ channel, source, kind string }
	var s sheet
	runs := make(map[common]int)
	names := make([]string, 0, len(events))
	expires := events[0].expires
	for _, e := range events {
		c := common{e.Channel, e.Source, e.Type}
		at, known := runs[c]
		if !known {
			at = len(s.Runs)
			runs[c] = at
			s.Runs = append(s.Runs, sheetRun{Channel: e.Channel, Source: e.Source, Type: e.Type})
		}
		s.Runs[at].Events = append(s.Runs[at].Events, sheetEvent{e.ID, e.Seq, e.Time.UnixNano(), e.Duplicate})
		names = append(names, e.ID)
		if e.expires.IsZero() || !expires.IsZero() && e.expires.After(expires) { // as long as the one that is there longest
			expires = e.expires
		}
	}
	which := tenants.HashParts(names...)
	return tenants.Put(tenants.Key{Tenant: t, Kind: rowIndex, Sort: sheetSort(events[0].Time) + "." + hex.EncodeToString(which[:8])}, record.Encode(s), expires, tenants.Absent())
}

// sheetSort is where sheets begin whose newest event is of at.
func sheetSort(at time.Time) string { return fmt.Sprintf("%019d", max(0, at.UnixNano())) }

// events are those of the sheet.
func (s sheet) events() (events []tenants.EventRef) {
	for _, r := range s.Runs {
		for _, e := range r.Events {
			events = append(events, tenants.EventRef{ID: e.ID, Channel: r.Channel, Source: r.Source, Type: r.Type, Seq: e.Seq, Time: time.Unix(0, e.At).UTC(), Duplicate: e.Duplicate})
		}
	}
	return events
}
