package rig

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// LogTenant is a tenant for tests of the log, which asks nobody whether it exists.
var LogTenant = tenants.TenantID(tenants.DerivedID(tenants.PrefixTenant, "log"))

// Made returns n events whose data tell them apart: "a1", "a2", …
func Made(sender string, n int) []tenants.Event {
	events := make([]tenants.Event, n)
	for i := range events {
		data := fmt.Sprintf("%s%d", sender, i+1)
		events[i] = tenants.Event{ID: tenants.DerivedID(tenants.PrefixEvent, data), Type: "test", Data: []byte(data)}
	}
	return events
}

// Whole reads a channel from its first number to its end.
func Whole(t *testing.T, l *eventlog.Log, channel string) []tenants.Event {
	t.Helper()
	var all []tenants.Event
	for after := int64(0); ; {
		p, err := l.Read(context.Background(), LogTenant, channel, after, 100, tenants.Retention{})
		if err != nil {
			t.Fatalf("Read after %d: %v", after, err)
		}
		if p.Gap != nil {
			t.Fatalf("Read after %d: gap from %d to %d", after, p.Gap.From, p.Gap.To)
		}
		all = append(all, p.Events...)
		if after = p.Cursor(after); after == p.Tail {
			return all
		}
	}
}

// FaultsOfLog tells what is wrong with a channel that is to hold each of sent exactly once, whatever their order.
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
			faults = append(faults, fmt.Sprintf("row %d has sort %s and number %d", i+1, row.Sort, e.Seq))
		}
		times[string(e.Data)]++
		if by, err := l.Event(ctx, LogTenant, e.ID, tenants.Retention{}); err != nil || by.Seq != e.Seq {
			faults = append(faults, fmt.Sprintf("row %d is %s, by whose id one finds number %d (%v)", i+1, e.Data, by.Seq, err))
		}
	}
	for _, e := range sent {
		if n := times[string(e.Data)]; n != 1 {
			faults = append(faults, fmt.Sprintf("%s is in the log %d times", e.Data, n))
		}
	}
	if len(rows) != len(sent) {
		faults = append(faults, fmt.Sprintf("%d rows for %d events", len(rows), len(sent)))
	}
	if seq := headSeq(t, table, channel); seq != int64(len(rows)) {
		faults = append(faults, fmt.Sprintf("the head is at %d of %d", seq, len(rows)))
	}
	return faults
}

// CheckLog fails the test where faultsOfLog finds any.
func CheckLog(t *testing.T, table tenants.Table, channel string, sent []tenants.Event) {
	t.Helper()
	if faults := FaultsOfLog(t, table, channel, sent); faults != nil {
		t.Errorf("%q\nthe log is %q", faults, DataOf(Whole(t, eventlog.New(table), channel)))
	}
}

func headSeq(t *testing.T, table tenants.Table, channel string) int64 {
	t.Helper()
	row, err := table.Get(context.Background(), tenants.Key{Tenant: LogTenant, Kind: "head", Sort: channel})
	if err != nil {
		if tenants.KindOf(err) == tenants.NotFound {
			return 0
		}
		t.Fatal(err)
	}
	var head struct{ Seq int64 }
	if err := json.Unmarshal(row.Body, &head); err != nil {
		t.Fatal(err)
	}
	return head.Seq
}

func DataOf(events []tenants.Event) []string {
	data := make([]string, len(events))
	for i, e := range events {
		data[i] = string(e.Data)
	}
	return data
}

func WantData(t *testing.T, events []tenants.Event, want ...string) {
	t.Helper()
	if got := DataOf(events); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func MustAppend(t *testing.T, l *eventlog.Log, channel string, events ...tenants.Event) []tenants.Event {
	t.Helper()
	placed, err := l.Append(context.Background(), LogTenant, channel, events)
	if err != nil {
		t.Fatalf("Append: %v", err)
	}
	if len(placed) != len(events) {
		t.Fatalf("Append of %d events returned %d", len(events), len(placed))
	}
	return placed
}

// Patient reads again what could not be read.
type Patient struct{ tenants.Table }

func (p Patient) Get(ctx context.Context, k tenants.Key) (tenants.Row, error) {
	for {
		row, err := p.Table.Get(ctx, k)
		if err == nil || tenants.KindOf(err) != tenants.Unavailable {
			return row, err
		}
	}
}

func (p Patient) Query(ctx context.Context, r tenants.Range) ([]tenants.Row, error) {
	for {
		rows, err := p.Table.Query(ctx, r)
		if err == nil || tenants.KindOf(err) != tenants.Unavailable {
			return rows, err
		}
	}
}

func NewTable() *tenantstest.Table { return tenantstest.NewTable(tenantstest.Faults{}) }

func SeqsOf(events []tenants.Event) []int64 {
	seqs := make([]int64, len(events))
	for i, e := range events {
		seqs[i] = e.Seq
	}
	return seqs
}
