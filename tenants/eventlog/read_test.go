package eventlog_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

func read(t *testing.T, l *eventlog.Log, after int64, limit int, r tenants.Retention) eventlog.Page {
	t.Helper()
	p, err := l.Read(context.Background(), rig.LogTenant, "orders", after, limit, r)
	if err != nil {
		t.Fatalf("Read after %d: %v", after, err)
	}
	return p
}

// short returns a page as one line: "1-3 of 5", "gap 1-2, 3-5 of 5 ended".
func short(p eventlog.Page) string {
	var parts []string
	if g := p.Gap; g != nil {
		word := "gap"
		if g.Reset {
			word = "reset"
		}
		parts = append(parts, fmt.Sprintf("%s %d-%d", word, g.From, g.To))
	}
	if n := len(p.Events); n > 0 {
		parts = append(parts, fmt.Sprintf("%d-%d", p.Events[0].Seq, p.Events[n-1].Seq))
		for i, e := range p.Events {
			if e.Seq != p.Events[0].Seq+int64(i) {
				parts = append(parts, fmt.Sprintf("not dense at %d", e.Seq))
			}
		}
	}
	s := strings.Join(parts, ", ") + fmt.Sprintf(" of %d", p.Tail)
	if p.Ended {
		s += " ended"
	}
	return strings.TrimSpace(s)
}

func TestRead(t *testing.T) {
	for _, tt := range []struct {
		name   string
		events int
		after  int64
		limit  int
		keep   int64 // events that retention keeps
		want   string
	}{
		{"an empty channel", 0, 0, 10, 0, "of 0"},
		{"from the start", 5, 0, 10, 0, "1-5 of 5"},
		{"after a cursor", 5, 3, 10, 0, "4-5 of 5"},
		{"at the tail", 5, 5, 10, 0, "of 5"},
		{"limited", 5, 1, 2, 0, "2-3 of 5"},
		{"limited to nothing means one", 5, 1, 0, 0, "2-2 of 5"},
		{"a cursor below zero", 5, -7, 2, 0, "1-2 of 5"},
		{"many", 120, 0, 1000, 0, "1-120 of 120"},
		{"many, limited", 120, 10, 100, 0, "11-110 of 120"},
		{"below the floor", 10, 2, 10, 4, "gap 3-6, 7-10 of 10"},
		{"just below the floor", 10, 5, 10, 4, "gap 6-6, 7-10 of 10"},
		{"at the floor", 10, 6, 10, 4, "7-10 of 10"},
		{"at the tail with a floor", 10, 10, 10, 4, "of 10"},
		{"after the tail", 5, 9, 10, 0, "reset 1-5 of 5"},
		{"after the tail of an empty channel", 0, 9, 10, 0, "reset 0-0 of 0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := eventlog.New(rig.NewTable())
			rig.MustAppend(t, l, "orders", rig.Made("a", tt.events)...)
			p := read(t, l, tt.after, tt.limit, tenants.Retention{Events: tt.keep})
			if got := short(p); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestReadByAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := eventlog.New(rig.NewTable())
		for i, e := range rig.Made("a", 40) { // one a minute
			e.Time = time.Now()
			rig.MustAppend(t, l, "orders", e)
			if i < 39 {
				time.Sleep(time.Minute)
			}
		}
		for _, tt := range []struct {
			after, seconds, events int64
			want                   string
		}{
			{0, 24 * 3600, 0, "1-40 of 40"},
			{0, 10 * 60, 0, "gap 1-29, 30-40 of 40"},
			{20, 10 * 60, 0, "gap 21-29, 30-40 of 40"},
			{29, 10 * 60, 0, "30-40 of 40"},
			{35, 10 * 60, 0, "36-40 of 40"},
			{0, 39 * 60, 0, "1-40 of 40"},
			{0, 39*60 - 1, 0, "gap 1-1, 2-40 of 40"},
			{0, 10 * 60, 5, "gap 1-35, 36-40 of 40"},
			{0, 10 * 60, 20, "gap 1-29, 30-40 of 40"},
			{0, 1 << 62, 0, "1-40 of 40"},
		} {
			r := tenants.Retention{Events: tt.events, Seconds: tt.seconds}
			if got := short(read(t, l, tt.after, 100, r)); got != tt.want {
				t.Errorf("Read after %d with %+v: got %q, want %q", tt.after, r, got, tt.want)
			}
		}
		time.Sleep(time.Hour)
		p := read(t, l, 7, 100, tenants.Retention{Seconds: 600})
		if got := short(p); got != "gap 8-40 of 40" || p.Cursor(7) != 40 {
			t.Errorf("if all events are old: got %q, cursor %d, want gap 8-40 of 40, 40", got, p.Cursor(7))
		}
	})
}

func TestReadByAgeReadsFewRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := rig.NewTable()
		l := eventlog.New(table)
		old := rig.Made("old", 1000)
		for i := range old {
			old[i].Time = time.Now()
		}
		rig.MustAppend(t, l, "orders", old...)
		time.Sleep(time.Hour)
		for _, e := range rig.Made("new", 3) {
			e.Time = time.Now()
			rig.MustAppend(t, l, "orders", e)
		}
		before := table.Count("Get") + table.Count("Query")
		if got := short(read(t, l, 0, 10, tenants.Retention{Seconds: 60})); got != "gap 1-1000, 1001-1003 of 1003" {
			t.Errorf("got %q, want gap 1-1000, 1001-1003 of 1003", got)
		}
		if n := table.Count("Get") + table.Count("Query") - before; n > 18 {
			t.Errorf("reads to find the floor of 1,003 rows: got %d, want at most 18", n)
		}
	})
}

func TestReadEnded(t *testing.T) {
	l := eventlog.New(rig.NewTable())
	events := rig.Made("a", 3)
	events[1].End, events[2].End = true, true
	rig.MustAppend(t, l, "orders", events...)
	for _, tt := range []struct {
		after int64
		limit int
		want  string
	}{{0, 10, "1-3 of 3 ended"}, {0, 2, "1-2 of 3"}, {2, 1, "3-3 of 3 ended"}, {3, 1, "of 3 ended"}} {
		if got := short(read(t, l, tt.after, tt.limit, tenants.Retention{})); got != tt.want {
			t.Errorf("Read after %d: got %q, want %q", tt.after, got, tt.want)
		}
	}
	rig.MustAppend(t, l, "orders", rig.Made("b", 1)...) // the channel continues after its end
	if got := short(read(t, l, 3, 10, tenants.Retention{})); got != "4-4 of 4" {
		t.Errorf("after the end: got %q, want 4-4 of 4", got)
	}
}

func TestReadIsBoundedInBytes(t *testing.T) {
	l := eventlog.New(rig.NewTable())
	events := rig.Made("a", 60)
	for i := range events {
		events[i].Data = []byte(strings.Repeat("x", 200<<10))
	}
	rig.MustAppend(t, l, "orders", events...)
	p := read(t, l, 0, 1000, tenants.Retention{})
	if n := len(p.Events); n < 16 || n > 32 {
		t.Errorf("events of 200 KB in a page: got %d, want 16 to 32", n)
	}
	after, pages := int64(0), 0
	for after < 60 {
		p := read(t, l, after, 1000, tenants.Retention{})
		after, pages = p.Cursor(after), pages+1
		if pages > 10 {
			t.Fatalf("after %d pages: got to %d, want 60 within 10 pages", pages, after)
		}
	}
}

func deleteRow(t *testing.T, table tenants.Table, seq int64) {
	t.Helper()
	k := tenants.Key{Tenant: rig.LogTenant, Kind: "log/orders", Sort: fmt.Sprintf("%019d", seq)}
	if err := table.Write(context.Background(), tenants.Delete(k, tenants.Anything())); err != nil {
		t.Fatal(err)
	}
}

// Read waits for a missing number before it reports it as lost.
func TestReadWaitsAtAHole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := rig.NewTable()
		l := eventlog.New(table)
		rig.MustAppend(t, l, "orders", rig.Made("a", 9)...)
		for _, seq := range []int64{4, 5, 9} {
			deleteRow(t, table, seq)
		}
		began := time.Now()
		if got := short(read(t, l, 0, 100, tenants.Retention{})); got != "1-3 of 9" || time.Since(began) != 0 {
			t.Errorf("up to the hole: got %q after %v, want 1-3 of 9 at once", got, time.Since(began))
		}
		got := short(read(t, l, 3, 100, tenants.Retention{}))
		if took := time.Since(began); got != "gap 4-5, 6-8 of 9" || took != 5*time.Second {
			t.Errorf("at the hole: got %q after %v, want gap 4-5, 6-8 of 9 after 5s", got, took)
		}
		began = time.Now()
		got = short(read(t, l, 8, 100, tenants.Retention{}))
		if took := time.Since(began); got != "gap 9-9 of 9" || took != 5*time.Second {
			t.Errorf("at a hole at the end: got %q after %v, want gap 9-9 of 9 after 5s", got, took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 70*time.Millisecond)
		defer cancel()
		_, err := l.Read(ctx, rig.LogTenant, "orders", 3, 100, tenants.Retention{})
		if err == nil || tenants.KindOf(err) != tenants.Unavailable {
			t.Errorf("cancelled at the hole: got %v, want an error of kind Unavailable", err)
		}
	})
}

// torn is a Table whose Query leaves a row out a given number of times, as one during a write may.
type torn struct {
	tenants.Table
	times int
	sort  string
}

func (tt *torn) Query(ctx context.Context, r tenants.Range) ([]tenants.Row, error) {
	rows, err := tt.Table.Query(ctx, r)
	if tt.times > 0 && slices.ContainsFunc(rows, func(r tenants.Row) bool { return r.Sort == tt.sort }) {
		tt.times--
		rows = slices.DeleteFunc(rows, func(r tenants.Row) bool { return r.Sort == tt.sort })
	}
	return rows, err
}

func TestReadOfATornQueryMissesNothing(t *testing.T) {
	table := rig.NewTable()
	rig.MustAppend(t, eventlog.New(table), "orders", rig.Made("a", 5)...)
	l := eventlog.New(&torn{Table: table, times: 1, sort: "0000000000000000002"})
	rig.WantData(t, rig.Whole(t, l, "orders"), "a1", "a2", "a3", "a4", "a5")
	l = eventlog.New(&torn{Table: table, times: 1, sort: "0000000000000000001"})
	rig.WantData(t, rig.Whole(t, l, "orders"), "a1", "a2", "a3", "a4", "a5")
}

// Expired rows are a gap at once.
func TestReadDoesNotWaitForWhatHasExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := rig.NewTable()
		l := eventlog.New(table)
		rig.MustAppend(t, l, "orders", rig.Made("a", 3)...)
		time.Sleep(10 * 24 * time.Hour)
		rig.MustAppend(t, l, "orders", rig.Made("b", 3)...)
		time.Sleep(6 * 24 * time.Hour)
		began := time.Now()
		got := short(read(t, l, 1, 100, tenants.Retention{}))
		if took := time.Since(began); got != "gap 2-3, 4-6 of 6" || took != 0 {
			t.Errorf("got %q after %v, want gap 2-3, 4-6 of 6 at once", got, took)
		}
		if got = short(read(t, l, 1, 100, tenants.Retention{Seconds: 30 * 24 * 3600})); got != "gap 2-6 of 6" {
			t.Errorf("events without a time count as old: got %q, want gap 2-6 of 6", got)
		}
	})
}

// A reader that reads during appends, over a table with torn queries, gets every number once.
func TestReadBesideAppends(t *testing.T) {
	for seed := range uint64(100) {
		synctest.Test(t, func(t *testing.T) {
			table := tenantstest.NewTable(tenantstest.Faults{Seed: seed, Latency: 20 * time.Millisecond, Torn: 0.7})
			events := rig.Made("a", 30)
			var appender sync.WaitGroup
			defer appender.Wait()
			appender.Go(func() {
				l := eventlog.New(table)
				for i := 0; i < len(events); i += 3 {
					if _, err := l.Append(context.Background(), rig.LogTenant, "orders", events[i:i+3]); err != nil {
						t.Errorf("seed %d: %v", seed, err)
					}
				}
			})
			l := eventlog.New(table)
			var got []tenants.Event
			for after := int64(0); len(got) < len(events); {
				p, err := l.Read(context.Background(), rig.LogTenant, "orders", after, 7, tenants.Retention{})
				if err != nil || p.Gap != nil {
					t.Fatalf("seed %d: got gap %+v, %v, want none", seed, p.Gap, err)
				}
				got = append(got, p.Events...)
				after = p.Cursor(after)
			}
			if !slices.Equal(rig.DataOf(got), rig.DataOf(events)) {
				t.Errorf("seed %d: got %q, want %q", seed, rig.DataOf(got), rig.DataOf(events))
			}
		})
	}
}

func TestEventByID(t *testing.T) {
	ctx := context.Background()
	table := rig.NewTable()
	l := eventlog.New(table)
	placed := rig.MustAppend(t, l, "orders", rig.Made("a", 3)...)
	got, err := l.Event(ctx, rig.LogTenant, placed[1].ID, tenants.Retention{})
	if err != nil || got.Seq != 2 || string(got.Data) != "a2" {
		t.Errorf("Event: got %+v, %v, want number 2, a2", got, err)
	}
	_, err = l.Event(ctx, rig.LogTenant, tenants.NewID(tenants.PrefixEvent), tenants.Retention{})
	if tenants.CodeOf(err) != "event_not_found" {
		t.Errorf("Event of an unknown id: got %v, want event_not_found", err)
	}
	deleteRow(t, table, 2)
	_, err = l.Event(ctx, rig.LogTenant, placed[1].ID, tenants.Retention{})
	if tenants.CodeOf(err) != "event_not_found" {
		t.Errorf("Event of a claim without its row: got %v, want event_not_found", err)
	}
}

// An event below the floor is not found by its id either.
func TestEventByIDIsHeldToTheFloor(t *testing.T) {
	ctx := context.Background()
	l := eventlog.New(rig.NewTable())
	events := rig.Made("a", 5)
	for i := range events {
		events[i].Time = time.Now().Add(time.Duration(i-4) * time.Hour)
	}
	placed := rig.MustAppend(t, l, "orders", events...)
	for name, r := range map[string]tenants.Retention{
		"the newest two":           {Events: 2},
		"those of the last 90 min": {Seconds: 90 * 60},
		"both bounds":              {Events: 4, Seconds: 90 * 60},
	} {
		for i, e := range placed {
			_, err := l.Event(ctx, rig.LogTenant, e.ID, r)
			if shown := i >= 3; shown && err != nil || !shown && tenants.CodeOf(err) != "event_not_found" {
				t.Errorf("%s: event %d: got %v, want shown %v", name, e.Seq, err, shown)
			}
		}
	}
}
