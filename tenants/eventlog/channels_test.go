package eventlog_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

func TestChannels(t *testing.T) {
	ctx := context.Background()
	l := eventlog.New(rig.NewTable())
	for _, name := range []string{"orders.2", "orders", "a"} {
		rig.MustAppend(t, l, name, rig.Made(name, 2)...)
	}
	names := func(after string, limit int) (names []string) {
		channels, err := l.Channels(ctx, rig.LogTenant, after, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range channels {
			names = append(names, c.Name)
		}
		return names
	}
	if got := names("", 10); !slices.Equal(got, []string{"a", "orders", "orders.2"}) {
		t.Errorf("all channels: got %q, want a, orders, orders.2", got)
	}
	if got := names("a", 1); !slices.Equal(got, []string{"orders"}) {
		t.Errorf("one channel after a: got %q, want orders", got)
	}
	if _, err := l.Channel(ctx, rig.LogTenant, "b"); tenants.CodeOf(err) != "channel_not_found" {
		t.Errorf("Channel of an unknown name: got %v, want channel_not_found", err)
	}
}

// The next append makes the record that is missing after a crash.
func TestTheChannelsRecordIsMadeGood(t *testing.T) {
	ctx := context.Background()
	table := rig.NewTable()
	rig.MustAppend(t, eventlog.New(table), "orders", rig.Made("a", 2)...)
	k := tenants.Key{Tenant: rig.LogTenant, Kind: "list/channels", Sort: "orders"}
	if err := table.Write(ctx, tenants.Delete(k, tenants.Anything())); err != nil {
		t.Fatal(err)
	}
	l := eventlog.New(table)
	rig.MustAppend(t, l, "orders", rig.Made("b", 1)...)
	if _, err := l.Channel(ctx, rig.LogTenant, "orders"); err != nil {
		t.Error(err)
	}
}

func TestPurge(t *testing.T) {
	ctx := context.Background()
	table := rig.NewTable()
	l := eventlog.New(table)
	if _, err := l.Purge(ctx, rig.LogTenant, "orders"); tenants.CodeOf(err) != "channel_not_found" {
		t.Errorf("Purge of an unknown channel: got %v, want channel_not_found", err)
	}
	placed := rig.MustAppend(t, l, "orders", rig.Made("a", 100)...)
	if to, err := l.Purge(ctx, rig.LogTenant, "orders"); to != 100 || err != nil {
		t.Fatalf("Purge: got %d, %v, want 100", to, err)
	}
	rig.MustAppend(t, l, "orders", rig.Made("b", 2)...)
	if got := short(read(t, l, 0, 10, tenants.Retention{})); got != "gap 1-100, 101-102 of 102" {
		t.Errorf("after a purge: got %q, want the gap and two events", got)
	}
	_, err := l.Event(ctx, rig.LogTenant, placed[3].ID, tenants.Retention{})
	if tenants.CodeOf(err) != "event_not_found" {
		t.Errorf("a purged event by its id: got %v, want event_not_found", err)
	}
	rows, err := table.Query(ctx, tenants.Range{Tenant: rig.LogTenant, Kind: "log/orders", Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range rows {
		e, err := tenants.DecodeEvent(row.Body)
		if err != nil || (len(e.Data) == 0) != (i < 100) || row.Expires.IsZero() {
			t.Errorf("row %d: got %d bytes, expiry %v, %v, want data only after 100, and an expiry", i+1, len(e.Data),
				row.Expires, err)
		}
	}
	again := rig.MustAppend(t, l, "orders", rig.Made("a", 3)...) // recognised all the same
	if got := rig.SeqsOf(again); !slices.Equal(got, []int64{1, 2, 3}) {
		t.Errorf("purged events appended again: got numbers %v, want 1 to 3", got)
	}
}

// Another Purge completes one that failed at any point.
func TestPurgeIsCompletedAfterAFailure(t *testing.T) {
	ctx := context.Background()
	for seed := range uint64(40) {
		table := tenantstest.NewTable(tenantstest.Faults{Seed: seed, Lost: 0.2, Stored: 0.2})
		l := eventlog.New(rig.Patient{Table: table})
		for events := rig.Made("a", 70); len(events) > 0; {
			if _, err := l.Append(ctx, rig.LogTenant, "orders", events[:1]); err == nil {
				events = events[1:]
			}
		}
		var to int64
		var err error
		for range 100 {
			if to, err = eventlog.New(table).Purge(ctx, rig.LogTenant, "orders"); err == nil {
				break
			}
		}
		if err != nil || to != 70 {
			t.Fatalf("seed %d: Purge: got %d, %v, want 70", seed, to, err)
		}
		rows, err := table.Query(ctx, tenants.Range{Tenant: rig.LogTenant, Kind: "log/orders", Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			if e, err := tenants.DecodeEvent(row.Body); err != nil || len(e.Data) > 0 ||
				fmt.Sprintf("%019d", e.Seq) != row.Sort {
				t.Fatalf("seed %d: row %s: got %+v, %v, want no data", seed, row.Sort, e, err)
			}
		}
	}
}
