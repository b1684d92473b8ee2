package rig

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"unsafe"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// LogTenant is the tenant in tests of packages that do not look tenants up.
var LogTenant = tenants.TenantID(tenants.DerivedID(tenants.PrefixTenant, "log"))

// OutingTenant returns the i-th of several tenants for tests of that kind.
func OutingTenant(i int) tenants.TenantID {
	return tenants.TenantID(tenants.DerivedID(tenants.PrefixTenant, fmt.Sprint("outing", i)))
}

// UnsafeString returns a string that changes with b, as those of Fiber do.
func UnsafeString(b []byte) string { return unsafe.String(&b[0], len(b)) }

// NewTable returns a simulated table without faults.
func NewTable() *tenantstest.Table { return tenantstest.NewTable(tenantstest.Faults{}) }

// Made returns n events whose ids and data follow from the sender's name: "a1", "a2", …
func Made(sender string, n int) []tenants.Event {
	events := make([]tenants.Event, n)
	for i := range events {
		data := fmt.Sprintf("%s%d", sender, i+1)
		events[i] = tenants.Event{ID: tenants.DerivedID(tenants.PrefixEvent, data), Type: "test", Data: []byte(data)}
	}
	return events
}

// Whole returns all events of a channel of LogTenant.
func Whole(t *testing.T, l *eventlog.Log, channel string) []tenants.Event {
	t.Helper()
	var all []tenants.Event
	for after := int64(0); ; {
		p, err := l.Read(context.Background(), LogTenant, channel, after, 100, tenants.Retention{})
		if err != nil {
			t.Fatalf("Read after %d: %v", after, err)
		}
		if p.Gap != nil {
			t.Fatalf("Read after %d: got a gap from %d to %d, want none", after, p.Gap.From, p.Gap.To)
		}
		all = append(all, p.Events...)
		if after = p.Cursor(after); after == p.Tail {
			return all
		}
	}
}

// FaultsOfLog returns what is wrong with a channel of LogTenant that should hold each event of sent once, in any order.
func FaultsOfLog(t *testing.T, table tenants.Table, channel string, sent []tenants.Event) (faults []string) {
	t.Helper()
	ctx, l := context.Background(), eventlog.New(table)
	rows, err := table.Query(ctx, tenants.Range{Tenant: LogTenant, Kind: tenants.Kind("log/" + channel), Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	times := make(map[string]int)
	for i, row := range rows {
		e, err := tenants.DecodeEvent(row.Body)
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("%019d", i+1); row.Sort != want || e.Seq != int64(i+1) {
			faults = append(faults, fmt.Sprintf("row %d has sort %s and number %d, want %s", i+1, row.Sort, e.Seq,
				want))
		}
		times[string(e.Data)]++
		if by, err := l.Event(ctx, LogTenant, e.ID, tenants.Retention{}); err != nil || by.Seq != e.Seq {
			faults = append(faults, fmt.Sprintf("row %d is %s, but its id leads to number %d (%v)", i+1, e.Data, by.Seq,
				err))
		}
	}
	for _, e := range sent {
		if n := times[string(e.Data)]; n != 1 {
			faults = append(faults, fmt.Sprintf("%s is in the log %d times, want once", e.Data, n))
		}
	}
	if len(rows) != len(sent) {
		faults = append(faults, fmt.Sprintf("there are %d rows, want %d", len(rows), len(sent)))
	}
	if seq := headSeq(t, table, channel); seq != int64(len(rows)) {
		faults = append(faults, fmt.Sprintf("the head is at %d, want %d", seq, len(rows)))
	}
	return faults
}

// CheckLog fails the test if FaultsOfLog finds any.
func CheckLog(t *testing.T, table tenants.Table, channel string, sent []tenants.Event) {
	t.Helper()
	if faults := FaultsOfLog(t, table, channel, sent); faults != nil {
		t.Errorf("the log has faults %q\nit holds %q", faults, DataOf(Whole(t, eventlog.New(table), channel)))
	}
}

func headSeq(t *testing.T, table tenants.Table, channel string) int64 {
	t.Helper()
	row, err := table.Get(context.Background(), tenants.Key{Tenant: LogTenant, Kind: "head", Sort: channel})
	if tenants.IsNotFound(err) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	var head struct{ Seq int64 }
	if err := json.Unmarshal(row.Body, &head); err != nil {
		t.Fatal(err)
	}
	return head.Seq
}

// DataOf returns the data of the events as text.
func DataOf(events []tenants.Event) []string {
	data := make([]string, len(events))
	for i, e := range events {
		data[i] = string(e.Data)
	}
	return data
}

// WantData fails the test unless the events have the data wanted, in order.
func WantData(t *testing.T, events []tenants.Event, want ...string) {
	t.Helper()
	if got := DataOf(events); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// MustAppend appends events to a channel of LogTenant and returns them as they are stored.
func MustAppend(t *testing.T, l *eventlog.Log, channel string, events ...tenants.Event) []tenants.Event {
	t.Helper()
	placed, err := l.Append(context.Background(), LogTenant, channel, events)
	if err != nil {
		t.Fatalf("Append: %v", err)
	}
	if len(placed) != len(events) {
		t.Fatalf("Append returned %d events, want %d", len(placed), len(events))
	}
	return placed
}

// Patient is a table whose reads are repeated until they succeed.
type Patient struct{ tenants.Table }

// Get implements tenants.Table.
func (p Patient) Get(ctx context.Context, k tenants.Key) (tenants.Row, error) {
	for {
		row, err := p.Table.Get(ctx, k)
		if err == nil || tenants.KindOf(err) != tenants.Unavailable {
			return row, err
		}
	}
}

// Query implements tenants.Table.
func (p Patient) Query(ctx context.Context, r tenants.Range) ([]tenants.Row, error) {
	for {
		rows, err := p.Table.Query(ctx, r)
		if err == nil || tenants.KindOf(err) != tenants.Unavailable {
			return rows, err
		}
	}
}

// SeqsOf returns the numbers of the events.
func SeqsOf(events []tenants.Event) []int64 {
	seqs := make([]int64, len(events))
	for i, e := range events {
		seqs[i] = e.Seq
	}
	return seqs
}
