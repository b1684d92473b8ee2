package projection_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/projection"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

// newest is the order of a list.
func newest(a, b tenants.EventRef) int {
	switch {
	case !a.Time.Equal(b.Time):
		return b.Time.Compare(a.Time)
	case a.Channel != b.Channel:
		return slices.Compare([]string{b.Channel}, []string{a.Channel})
	}
	return int(b.Seq - a.Seq)
}

// inIndex reads a whole list, limit events at a time.
func inIndex(t *testing.T, x *projection.EventIndex, tenant tenants.TenantID, q projection.IndexQuery,
	limit int) (all []tenants.EventRef) {
	t.Helper()
	for after := ""; ; {
		events, next, err := x.List(context.Background(), tenant, q, after, limit)
		if err != nil {
			t.Fatal(err)
		}
		if len(events) > limit {
			t.Fatalf("events in a page: got %d, want at most %d", len(events), limit)
		}
		all = append(all, events...)
		if next == "" {
			return all
		}
		if next == after {
			t.Fatalf("the next position is %s again, want a later one", next)
		}
		after = next
	}
}

// Events of two tenants are appended over some time. Two followers get them from the feed in any order, repeatedly
// and in other batches, and writes fail with both outcomes. Each list has each event once, and in order.
func TestIndexListsEachEventOnceAndTheNewestFirst(t *testing.T) {
	for seed := range uint64(12) {
		synctest.Test(t, func(t *testing.T) {
			table := tenantstest.NewTable(tenantstest.Faults{
				Seed: seed, Latency: 20 * time.Millisecond, Lost: 0.03, Stored: 0.03, Torn: 0.2,
				Shuffled: true, Repeated: 0.2,
			})
			x := projection.NewEventIndex(table)
			ctx, stop := context.WithCancel(context.Background())
			running := make(chan struct{})
			for range 2 {
				feed := table.Feed()
				go func() {
					x.Run(ctx, feed, slog.New(slog.DiscardHandler))
					running <- struct{}{}
				}()
			}
			rng := rand.New(rand.NewPCG(seed, 7))
			want := make(map[tenants.TenantID][]tenants.EventRef)
			l := eventlog.New(table)
			for n := range 400 {
				tenant := []tenants.TenantID{"ten_a", "ten_b"}[rng.IntN(2)]
				channel := fmt.Sprintf("c%d", rng.IntN(5))
				e := tenants.Event{
					ID: tenants.NewID(tenants.PrefixEvent), Type: fmt.Sprintf("type.%d", rng.IntN(3)),
					Source: []string{"", "src_1"}[rng.IntN(2)], Data: fmt.Appendf(nil, "%d", n), Keep: -1,
				}
				age := time.Duration(rng.IntN(1_500)) * time.Millisecond
				e.Time = time.Now().Add(-age).UTC().Truncate(100 * time.Millisecond)
				for {
					placed, err := l.Append(ctx, tenant, channel, []tenants.Event{e})
					if err == nil {
						want[tenant] = append(want[tenant], tenants.EventRef{
							ID: e.ID, Channel: channel, Source: e.Source, Type: e.Type,
							Seq: placed[0].Seq, Time: e.Time,
						})
						break
					}
				}
				if rng.IntN(20) == 0 {
					time.Sleep(time.Duration(rng.IntN(5_000)) * time.Millisecond)
				}
			}
			time.Sleep(5 * time.Minute)
			stop()
			<-running
			<-running
			middle := want["ten_a"][len(want["ten_a"])/2].Time
			for tenant, events := range want {
				for _, q := range []projection.IndexQuery{
					{}, {Channel: "c3"}, {Source: "src_1"}, {Type: "type.1"}, {Channel: "c1", Type: "type.2"},
					{From: middle}, {To: middle}, {From: middle.Add(-time.Minute), To: middle}, {Channel: "none"},
				} {
					var left []tenants.EventRef
					for _, e := range events {
						named := (q.Channel == "" || q.Channel == e.Channel) && (q.Source == "" || q.Source == e.Source)
						timed := !e.Time.Before(q.From) && (q.To.IsZero() || e.Time.Before(q.To))
						if named && timed && (q.Type == "" || q.Type == e.Type) {
							left = append(left, e)
						}
					}
					slices.SortFunc(left, newest)
					limit := 1 + rng.IntN(60)
					got := inIndex(t, x, tenant, q, limit)
					if !slices.Equal(got, left) {
						t.Errorf("seed %d, %s, %+v by %d: got\n%v, want\n%v", seed, tenant, q, limit, got, left)
						return
					}
				}
			}
		})
	}
}

func indexed(t *testing.T, x *projection.EventIndex, cs ...tenants.Change) {
	t.Helper()
	if failed, err := x.Add(t.Context(), cs); failed != nil || err != nil {
		t.Fatalf("Add: got failed %v, %v, want none", failed, err)
	}
}

// A batch is one row, and repeated it is the same row. A batch of a backlog is a row for each two seconds.
func TestIndexWritesARowForEachTenantAndBatch(t *testing.T) {
	table := tenantstest.NewTable(tenantstest.Faults{})
	x := projection.NewEventIndex(table)
	var cs []tenants.Change
	for seq := range int64(100) {
		cs = append(cs, rig.Logged("ten_a", fmt.Sprintf("c%d", seq%7), seq+1,
			january.Add(time.Duration(seq)*10*time.Millisecond)))
	}
	cs = append(cs, rig.Logged("ten_b", "c", 1, january))
	indexed(t, x, cs...)
	if n := table.Count("Write"); n != 2 {
		t.Errorf("writes for two tenants: got %d, want 2", n)
	}
	indexed(t, x, cs...)
	rows, err := table.Query(t.Context(), tenants.Range{Tenant: "ten_a", Kind: "index/events", Limit: 1000})
	if err != nil || len(rows) != 1 {
		t.Errorf("rows of a repeated batch: got %d, %v, want 1", len(rows), err)
	}
	before := table.Count("Write")
	var backlog []tenants.Change
	for seq := range int64(100) {
		backlog = append(backlog, rig.Logged("ten_c", "c", seq+1, january.Add(time.Duration(seq)*100*time.Millisecond)))
	}
	indexed(t, x, backlog...)
	if n := table.Count("Write") - before; n != 5 {
		t.Errorf("writes for ten seconds of events: got %d, want 5", n)
	}
}

func TestIndexDoesOnlyBoundedWorkForAPage(t *testing.T) {
	table := tenantstest.NewTable(tenantstest.Faults{})
	x := projection.NewEventIndex(table)
	for n := range int64(1_000) {
		indexed(t, x, rig.Logged("ten_a", "c", n+1, january.Add(time.Duration(n)*time.Second)))
	}
	before := table.Count("Query")
	events, next, err := x.List(t.Context(), "ten_a", projection.IndexQuery{Channel: "other"}, "", 10)
	if err != nil || len(events) != 0 || next == "" {
		t.Errorf("got %v, %q, %v, want no events and a position", events, next, err)
	}
	if n := table.Count("Query") - before; n > 8 {
		t.Errorf("queries for one page: got %d, want at most 8", n)
	}
	if all := inIndex(t, x, "ten_a", projection.IndexQuery{Channel: "other"}, 10); len(all) != 0 {
		t.Errorf("events of another channel: got %v, want none", all)
	}
	if all := inIndex(t, x, "ten_a", projection.IndexQuery{}, 100); len(all) != 1_000 {
		t.Errorf("events: got %d, want 1,000", len(all))
	}
}

func TestIndexKnowsDuplicatesAndLeavesOutWhatIsNoEventOfTheTenants(t *testing.T) {
	x := projection.NewEventIndex(tenantstest.NewTable(tenantstest.Faults{}))
	e := tenants.Event{ID: tenants.NewID(tenants.PrefixEvent), Channel: "c", Seq: 2, Time: january,
		DuplicateOf: "evt_1"}
	twin := tenants.Change{Row: tenants.Row{Key: tenants.Key{Tenant: "ten_a", Kind: "log/c", Sort: "2"}, Version: 1,
		Body: tenants.EncodeEvent(e)}}
	purged := rig.Logged("ten_a", "c", 3, january)
	purged.Row.Version = 2
	indexed(t, x, rig.Logged("ten_a", "c", 1, january), twin,
		purged, rig.Logged("ten_a", "hookcast.notices", 1, january),
		tenants.Change{Row: tenants.Row{Key: tenants.Key{Tenant: "ten_a", Kind: "version"}}},
		tenants.Change{Deleted: true, Row: tenants.Row{Key: tenants.Key{Tenant: "ten_a", Kind: "log/c", Sort: "9"}}})
	if all := inIndex(t, x, "ten_a", projection.IndexQuery{}, 10); len(all) != 2 {
		t.Errorf("all events: got %+v, want numbers 2 and 1", all)
	}
	yes, no := true, false
	if all := inIndex(t, x, "ten_a", projection.IndexQuery{Duplicate: &yes}, 10); len(all) != 1 || all[0].Seq != 2 {
		t.Errorf("duplicates: got %+v, want number 2", all)
	}
	if all := inIndex(t, x, "ten_a", projection.IndexQuery{Duplicate: &no}, 10); len(all) != 1 || all[0].Seq != 1 {
		t.Errorf("events that are not duplicates: got %+v, want number 1", all)
	}
}

func TestWhatCannotBeIndexedIsNamed(t *testing.T) {
	table := tenantstest.NewTable(tenantstest.Faults{})
	x := projection.NewEventIndex(table)
	junk := tenants.Change{Row: tenants.Row{Key: tenants.Key{Tenant: "ten_a", Kind: "log/junk", Sort: "x"},
		Body: []byte("junk")}}
	table.Fail(tenantstest.Lost, func(c tenantstest.Call) bool {
		return c.Method == "Write" && c.Keys[0].Tenant == "ten_b"
	})
	cs := []tenants.Change{rig.Logged("ten_a", "c", 1, january), junk, rig.Logged("ten_b", "c", 1, january),
		rig.Logged("ten_a", "c", 2, january), rig.Logged("ten_b", "c", 2, january)}
	failed, err := x.Add(t.Context(), cs)
	if !slices.Equal(failed, []int{1, 2, 4}) || err == nil {
		t.Errorf("Add: got failed %v, %v, want [1 2 4] and an error", failed, err)
	}
	if failed, _ := x.Add(t.Context(), cs); !slices.Equal(failed, []int{1}) {
		t.Errorf("Add again: got failed %v, want [1]", failed)
	}
	for tenant, want := range map[tenants.TenantID]int{"ten_a": 2, "ten_b": 2, "ten_c": 0} {
		if all := inIndex(t, x, tenant, projection.IndexQuery{}, 1); len(all) != want {
			t.Errorf("%s: got %+v, want %d events", tenant, all, want)
		}
	}
}

// A row expires with the last of its events.
func TestIndexExpiresWithItsEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := tenantstest.NewTable(tenantstest.Faults{})
		x := projection.NewEventIndex(table)
		begin := time.Now()
		short, long := rig.Logged("ten_a", "c", 1, begin), rig.Logged("ten_a", "c", 2, time.Now())
		short.Row.Expires, long.Row.Expires = time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
		indexed(t, x, short, long)
		time.Sleep(90 * time.Minute)
		if all := inIndex(t, x, "ten_a", projection.IndexQuery{}, 10); len(all) != 2 {
			t.Errorf("after 90 minutes: got %+v, want 2 events", all)
		}
		time.Sleep(time.Hour)
		if all := inIndex(t, x, "ten_a", projection.IndexQuery{}, 10); len(all) != 0 {
			t.Errorf("after 150 minutes: got %+v, want none", all)
		}
		indexed(t, x, short, rig.Logged("ten_a", "c", 3, begin))
		time.Sleep(10_000 * time.Hour)
		if all := inIndex(t, x, "ten_a", projection.IndexQuery{}, 10); len(all) != 2 {
			t.Errorf("with an event that never expires: got %+v, want 2 events", all)
		}
	})
}

func TestIndexRefusesAPositionThatIsNone(t *testing.T) {
	x := projection.NewEventIndex(tenantstest.NewTable(tenantstest.Faults{}))
	for _, bad := range []string{"x", "1", "1:2", "1:x:c", "x:1:c", "99999999999999999999:1:c"} {
		_, _, err := x.List(t.Context(), "ten_a", projection.IndexQuery{}, bad, 10)
		rig.WantError(t, err, tenants.Invalid, "invalid_cursor")
	}
	far := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	indexed(t, x, rig.Logged("ten_a", "c", 1, january))
	for want, q := range map[int]projection.IndexQuery{0: {From: far},
		1: {From: time.Date(1, 2, 1, 0, 0, 0, 0, time.UTC), To: far}} {
		if all := inIndex(t, x, "ten_a", q, 10); len(all) != want {
			t.Errorf("%+v: got %+v, want %d events", q, all, want)
		}
	}
	early := projection.IndexQuery{To: time.Date(1500, 1, 1, 0, 0, 0, 0, time.UTC)}
	if all := inIndex(t, x, "ten_a", early, 10); len(all) != 0 {
		t.Errorf("%+v: got %+v, want none", early, all)
	}
}
