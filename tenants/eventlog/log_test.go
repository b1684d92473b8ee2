package eventlog_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

func TestAppend(t *testing.T) {
	a := rig.Made("a", 9)
	other := a[0]
	other.Data = []byte("another body")
	for _, tt := range []struct {
		name    string
		batches [][]tenants.Event
		seqs    []int64 // of the last batch
		log     []string
	}{
		{"one event", [][]tenants.Event{a[:1]}, []int64{1}, []string{"a1"}},
		{"a batch", [][]tenants.Event{a[:3]}, []int64{1, 2, 3}, []string{"a1", "a2", "a3"}},
		{"after earlier events", [][]tenants.Event{a[:2], a[2:4]}, []int64{3, 4}, []string{"a1", "a2", "a3", "a4"}},
		{"the same batch again", [][]tenants.Event{a[:3], a[:3]}, []int64{1, 2, 3}, []string{"a1", "a2", "a3"}},
		{"the same event again", [][]tenants.Event{a[:3], a[1:2]}, []int64{2}, []string{"a1", "a2", "a3"}},
		{"old and new mixed", [][]tenants.Event{{a[0], a[1]}, {a[2], a[1], a[3]}}, []int64{3, 2, 4},
			[]string{"a1", "a2", "a3", "a4"}},
		{"twice in one batch", [][]tenants.Event{{a[0], a[1], a[0], a[2]}}, []int64{1, 2, 1, 3},
			[]string{"a1", "a2", "a3"}},
		{"another body", [][]tenants.Event{a[:2], {other}}, []int64{3}, []string{"a1", "a2", "another body"}},
		{"another body again", [][]tenants.Event{a[:2], {other}, {a[2], other}}, []int64{4, 3},
			[]string{"a1", "a2", "another body", "a3"}},
		{"two bodies in one batch", [][]tenants.Event{{a[0], other, a[0], other}}, []int64{1, 2, 1, 2},
			[]string{"a1", "another body"}},
		{"nothing", [][]tenants.Event{a[:1], {}}, []int64{}, []string{"a1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			table := rig.NewTable()
			for _, fresh := range []bool{true, false} { // each batch in a process of its own, or all in one
				channel := map[bool]string{true: "fresh", false: "same"}[fresh]
				l := eventlog.New(table)
				var last []tenants.Event
				for _, b := range tt.batches {
					if fresh {
						l = eventlog.New(table)
					}
					b = slices.Clone(b)
					for i := range b { // ids that differ between the two channels
						b[i].ID = tenants.DerivedID(tenants.PrefixEvent, channel, b[i].ID)
					}
					last = rig.MustAppend(t, l, channel, b...)
				}
				if got := rig.SeqsOf(last); !slices.Equal(got, tt.seqs) {
					t.Errorf("%s: got numbers %v, want %v", channel, got, tt.seqs)
				}
				all := rig.Whole(t, l, channel)
				rig.WantData(t, all, tt.log...)
				rig.CheckLog(t, table, channel, all)
			}
		})
	}
}

func TestAppendAnotherBodyIsMarked(t *testing.T) {
	table := rig.NewTable()
	l := eventlog.New(table)
	first := rig.Made("a", 1)[0]
	rig.MustAppend(t, l, "orders", first)
	changed := first
	changed.Data = []byte("changed")
	got := rig.MustAppend(t, l, "orders", changed)[0]
	if got.ID == first.ID || got.DuplicateOf != first.ID {
		t.Errorf("got id %s, duplicate of %q, want another id, duplicate of %s", got.ID, got.DuplicateOf, first.ID)
	}
	again := rig.MustAppend(t, eventlog.New(table), "orders", changed)[0]
	if again.ID != got.ID || again.Seq != got.Seq || again.DuplicateOf != first.ID {
		t.Errorf("appended again: got %+v, want %+v", again, got)
	}
}

func TestAppendToAnotherChannelIsMarked(t *testing.T) {
	table := rig.NewTable()
	l := eventlog.New(table)
	first := rig.Made("a", 1)[0]
	rig.MustAppend(t, l, "orders", first)
	got := rig.MustAppend(t, l, "returns", first)[0]
	if got.Seq != 1 || got.Channel != "returns" || got.DuplicateOf != first.ID {
		t.Errorf("got %+v, want number 1 of returns, duplicate of %s", got, first.ID)
	}
	rig.WantData(t, rig.Whole(t, l, "orders"), "a1")
}

func TestAppendKeepsTenantsApart(t *testing.T) {
	table := rig.NewTable()
	l := eventlog.New(table)
	other := tenants.TenantID(tenants.DerivedID(tenants.PrefixTenant, "other"))
	e := rig.Made("a", 1)[0]
	e.Tenant, e.Channel, e.Seq = other, "elsewhere", 77 // Append sets all three
	got := rig.MustAppend(t, l, "orders", e)[0]
	if got.Tenant != rig.LogTenant || got.Channel != "orders" || got.Seq != 1 {
		t.Errorf("got %+v, want number 1 of orders, of %s", got, rig.LogTenant)
	}
	_, err := l.Event(context.Background(), other, e.ID, tenants.Retention{})
	if tenants.CodeOf(err) != "event_not_found" {
		t.Errorf("Event of another tenant: got %v, want event_not_found", err)
	}
	if end, err := l.Tail(context.Background(), other, "orders"); end != 0 || err != nil {
		t.Errorf("Tail of another tenant: got %d, %v, want 0", end, err)
	}
}

// A batch costs one call per claim and one WriteEach. A single event costs one call.
func TestAppendIsFewCalls(t *testing.T) {
	table := rig.NewTable()
	l := eventlog.New(table)
	rig.MustAppend(t, l, "orders", rig.Made("warm", 1)...)
	calls := func(events []tenants.Event) (writes, ordered, reads int) {
		w, e, r := table.Count("Write"), table.Count("WriteEach"), table.Count("Get")+table.Count("Query")
		rig.MustAppend(t, l, "orders", events...)
		return table.Count("Write") - w, table.Count("WriteEach") - e, table.Count("Get") + table.Count("Query") - r
	}
	if w, e, r := calls(rig.Made("b", 1)); w != 0 || e != 1 || r != 0 {
		t.Errorf("one event: got %d Writes, %d WriteEaches, %d reads, want 0, 1, 0", w, e, r)
	}
	if w, e, r := calls(rig.Made("c", 10)); w != 10 || e != 1 || r != 0 {
		t.Errorf("ten events: got %d Writes, %d WriteEaches, %d reads, want 10, 1, 0", w, e, r)
	}
}

// A batch of any size is split into writes within the engines' bounds.
func TestAppendCutsLargeBatches(t *testing.T) {
	table := rig.NewTable()
	l := eventlog.New(table)
	large := rig.Made("large", 30)
	for i := range large {
		large[i].Data = append(large[i].Data, strings.Repeat("x", 300<<10)...)
	}
	rig.MustAppend(t, l, "large", large...)
	if n := table.Count("WriteEach"); n != 3 {
		t.Errorf("writes of 9 MB: got %d, want 3", n)
	}
	rig.MustAppend(t, l, "many", rig.Made("many", 600)...)
	if n := table.Count("WriteEach"); n != 3+3 {
		t.Errorf("writes of 600 events: got %d, want 3", n-3)
	}
	rig.CheckLog(t, table, "large", large)
	rig.CheckLog(t, table, "many", rig.Made("many", 600))
}

func TestRowsExpireAfterTheirQueuesAndHeadsNever(t *testing.T) {
	const day = 24 * time.Hour
	for _, tt := range []struct {
		name string
		keep time.Duration
		want time.Duration // 0: never
	}{
		{"by default", 0, 15 * day},
		{"a short retention", time.Hour, 15 * day},
		{"a long retention", 90 * day, 90 * day},
		{"an unlimited retention", -1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				table := rig.NewTable()
				e := rig.Made("a", 1)[0]
				e.Keep = tt.keep
				rig.MustAppend(t, eventlog.New(table), "orders", e)
				for kind, sort := range map[tenants.Kind]string{
					"evt": e.ID, "log/orders": "0000000000000000001", "head": "orders", "list/channels": "orders",
				} {
					k := tenants.Key{Tenant: rig.LogTenant, Kind: kind, Sort: sort}
					row, err := table.Get(context.Background(), k)
					if err != nil {
						t.Fatal(err)
					}
					want := time.Time{}
					if tt.want > 0 && (kind == "evt" || strings.HasPrefix(string(kind), "log/")) {
						want = time.Now().Add(tt.want)
					}
					if !row.Expires.Equal(want) {
						t.Errorf("expiry of %s: got %v, want %v", kind, row.Expires, want)
					}
				}
			})
		})
	}
}

// After the last event's row has expired, a new process still gives the next event a new number.
func TestNumbersAreNotUsedTwiceAfterExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := rig.NewTable()
		rig.MustAppend(t, eventlog.New(table), "orders", rig.Made("a", 3)...)
		time.Sleep(16 * 24 * time.Hour)
		table.Sweep()
		if got := rig.MustAppend(t, eventlog.New(table), "orders", rig.Made("b", 1)...)[0]; got.Seq != 4 {
			t.Errorf("number after expiry: got %d, want 4", got.Seq)
		}
	})
}

// Append does not report events as appended before their head is written.
func TestAppendDoesNotSucceedWithoutTheHead(t *testing.T) {
	table := rig.NewTable()
	failHead := func() {
		table.Fail(tenantstest.Lost, func(c tenantstest.Call) bool {
			return c.Method == "Write" && c.Keys[0].Kind == "head"
		})
	}
	l := eventlog.New(table)
	rig.MustAppend(t, l, "orders", rig.Made("a", 1)...)
	rig.MustAppend(t, eventlog.New(table), "orders", rig.Made("b", 1)...) // the first Log's head version is old now
	failHead()
	placed, err := l.Append(context.Background(), rig.LogTenant, "orders", rig.Made("c", 2))
	if tenants.KindOf(err) != tenants.Unavailable || err == nil || len(placed) != 0 {
		t.Fatalf("Append without its head: got %d events, %v, want none and Unavailable", len(placed), err)
	}
	rig.MustAppend(t, l, "orders", rig.Made("c", 2)...)
	rig.CheckLog(t, table, "orders", slices.Concat(rig.Made("a", 1), rig.Made("b", 1), rig.Made("c", 2)))
}

// The conditions of the writes detect a tail that another process has moved.
func TestAppendOverAStaleTail(t *testing.T) {
	table := rig.NewTable()
	l, other := eventlog.New(table), eventlog.New(table)
	rig.MustAppend(t, l, "orders", rig.Made("a", 1)...)
	rig.MustAppend(t, other, "orders", rig.Made("b", 2)...)
	rig.MustAppend(t, l, "orders", rig.Made("c", 3)...)
	rig.MustAppend(t, other, "orders", rig.Made("d", 1)...)
	all := rig.Whole(t, l, "orders")
	rig.WantData(t, all, "a1", "b1", "b2", "c1", "c2", "c3", "d1")
	rig.CheckLog(t, table, "orders", all)
}

// A tail in memory is read again after a minute by wall clock, since the table may have been restored to an earlier
// state.
func TestTailInMemoryIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := rig.NewTable()
		l := eventlog.New(table)
		rig.MustAppend(t, l, "orders", rig.Made("a", 5)...)
		ctx := context.Background()
		for _, sort := range []string{"0000000000000000004", "0000000000000000005"} {
			k := tenants.Key{Tenant: rig.LogTenant, Kind: "log/orders", Sort: sort}
			if err := table.Write(ctx, tenants.Delete(k, tenants.Anything())); err != nil {
				t.Fatal(err)
			}
		}
		head := tenants.Key{Tenant: rig.LogTenant, Kind: "head", Sort: "orders"}
		put := tenants.Put(head, []byte(`{"Seq":3}`), time.Time{}, tenants.Anything())
		if err := table.Write(ctx, put); err != nil {
			t.Fatal(err)
		}
		time.Sleep(61 * time.Second)
		if got := rig.MustAppend(t, l, "orders", rig.Made("b", 1)...)[0]; got.Seq != 4 {
			t.Errorf("number after a restore: got %d, want 4", got.Seq)
		}
	})
}

func TestManyChannelsKeepTheirTails(t *testing.T) {
	table := rig.NewTable()
	l := eventlog.New(table)
	for round := range 3 {
		for c := range 40 {
			name := "c" + strings.Repeat("x", c)
			got := rig.MustAppend(t, l, name, rig.Made(name, round+1)[round:]...)[0]
			if got.Seq != int64(round+1) {
				t.Fatalf("number in %s: got %d, want %d", name, got.Seq, round+1)
			}
		}
	}
}
