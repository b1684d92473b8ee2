package tenantstest_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

func row(i int) tenants.Key {
	return tenants.Key{Tenant: "ten_a", Kind: "log/c", Sort: fmt.Sprintf("%04d", i)}
}

func put(i int) tenants.Op { return tenants.Put(row(i), []byte("b"), time.Time{}, tenants.Absent()) }

func any1(tenantstest.Call) bool { return true }

func TestFailedCallsHappenOrNotAsPlanned(t *testing.T) {
	ctx := t.Context()
	for _, c := range []struct {
		outcome tenantstest.Outcome
		there   bool
	}{{tenantstest.Lost, false}, {tenantstest.Stored, true}} {
		table := tenantstest.NewTable(tenantstest.Faults{})
		table.Fail(c.outcome, any1)
		if err := table.Write(ctx, put(1)); tenants.KindOf(err) != tenants.Unavailable {
			t.Errorf("outcome %d: Write: got %v", c.outcome, err)
		}
		if _, err := table.Get(ctx, row(1)); (err == nil) != c.there {
			t.Errorf("outcome %d: Get: got %v", c.outcome, err)
		}
		queue := tenantstest.NewQueue(tenantstest.QueueOptions{})
		queue.Fail(c.outcome, any1)
		if err := queue.Send(ctx, tenants.Message{Body: []byte("b")}); tenants.KindOf(err) != tenants.Unavailable {
			t.Errorf("outcome %d: Send: got %v", c.outcome, err)
		}
		if (queue.Len() == 1) != c.there {
			t.Errorf("outcome %d: got %d messages", c.outcome, queue.Len())
		}
	}
}

func TestRatesFailBothWaysAndReplay(t *testing.T) {
	run := func(seed uint64) (seen string) {
		table := tenantstest.NewTable(tenantstest.Faults{Seed: seed, Lost: 0.3, Stored: 0.3})
		for i := range 40 {
			err := table.Write(t.Context(), put(i))
			_, missing := table.Get(t.Context(), row(i))
			switch {
			case err == nil && missing == nil:
				seen += "k"
			case err != nil && missing != nil:
				seen += "l"
			case err != nil:
				seen += "s"
			default:
				t.Fatal("a successful write had no effect")
			}
		}
		return seen
	}
	first := run(1)
	for _, r := range "kls" {
		if !slices.Contains([]rune(first), r) {
			t.Errorf("outcome %c never occurred: %s", r, first)
		}
	}
	if again := run(1); again != first {
		t.Errorf("seed 1 gave %s, then %s", first, again)
	}
	if other := run(2); other == first {
		t.Errorf("seeds 1 and 2 both gave %s", first)
	}
}

func TestLostWriteEachStoresAPrefix(t *testing.T) {
	lengths := map[int]bool{}
	for seed := range uint64(50) {
		table := tenantstest.NewTable(tenantstest.Faults{Seed: seed, Lost: 1})
		done, err := table.WriteEach(t.Context(), put(1), put(2), put(3))
		if tenants.KindOf(err) != tenants.Unavailable {
			t.Fatal(err)
		}
		rows, err := table.Query(t.Context(), tenants.Range{Tenant: "ten_a", Kind: "log/c", Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		if done > len(rows) || len(rows) == 3 {
			t.Errorf("%d done of %d stored", done, len(rows))
		}
		for i, r := range rows {
			if r.Key != row(i+1) {
				t.Errorf("there is a gap before %v", r.Key)
			}
		}
		lengths[len(rows)] = true
	}
	if len(lengths) != 3 {
		t.Errorf("lengths of the prefix: %v, want 0, 1 and 2", lengths)
	}
}

func TestTornQueryMissesARowBeforeALaterOne(t *testing.T) {
	holes := 0
	for seed := range uint64(100) {
		synctest.Test(t, func(t *testing.T) {
			table := tenantstest.NewTable(tenantstest.Faults{Seed: seed, Torn: 1, Latency: 10 * time.Millisecond})
			if err := table.Write(t.Context(), put(0)); err != nil {
				t.Fatal(err)
			}
			wrote := make(chan struct{})
			go func() {
				defer close(wrote)
				for i := 1; i < 5; i++ {
					if err := table.Write(t.Context(), put(i)); err != nil {
						t.Error(err)
					}
				}
			}()
			rows, err := table.Query(t.Context(), tenants.Range{Tenant: "ten_a", Kind: "log/c", Limit: 10})
			if err != nil || len(rows) == 0 || rows[0].Key != row(0) {
				t.Errorf("a row from before the query is missing: %v, %v", rows, err)
			}
			for i, r := range rows {
				if r.Key != row(i) {
					holes++
					break
				}
			}
			<-wrote
		})
	}
	if holes == 0 {
		t.Error("no query was torn")
	}
}

func TestFrozenCallerActsLate(t *testing.T) {
	for _, at := range []tenantstest.Moment{tenantstest.BeforeActing, tenantstest.BeforeReturning} {
		synctest.Test(t, func(t *testing.T) {
			table := tenantstest.NewTable(tenantstest.Faults{})
			ice := table.Freeze(at, func(c tenantstest.Call) bool { return c.Caller == "slow" && c.Method == "Write" })
			ctx, cancel := context.WithCancel(t.Context())
			slow := make(chan error, 1)
			go func() { slow <- table.Write(tenantstest.WithCaller(ctx, "slow"), put(1)) }()
			<-ice.Reached()
			cancel()
			_, err := table.Get(t.Context(), row(1))
			if acted := err == nil; acted != (at == tenantstest.BeforeReturning) {
				t.Errorf("moment %d: acted %v while frozen", at, acted)
			}
			if err := table.Write(t.Context(), put(2)); err != nil {
				t.Errorf("another caller: got %v, want success", err)
			}
			ice.Thaw()
			if err := <-slow; err != nil {
				t.Errorf("moment %d: after the thaw: %v", at, err)
			}
			if _, err := table.Get(t.Context(), row(1)); err != nil {
				t.Errorf("moment %d: the write never arrived: %v", at, err)
			}
		})
	}
}

func TestFeedShufflesAndRepeats(t *testing.T) {
	table := tenantstest.NewTable(tenantstest.Faults{Seed: 3, Shuffled: true, Repeated: 0.5})
	feed := table.Feed()
	for i := range 20 {
		if err := table.Write(t.Context(), put(i)); err != nil {
			t.Fatal(err)
		}
	}
	seen, order := map[string]int{}, []string{}
	for len(seen) < 20 {
		changes, done, err := feed.Next(t.Context(), 5)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range changes {
			seen[c.Row.Sort]++
			order = append(order, c.Row.Sort)
		}
		if err := done(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if slices.IsSorted(order) || len(order) == 20 {
		t.Errorf("got %v, want the changes shuffled and repeated", order)
	}
}

func TestQueueDeliversDoneMessagesTwiceAndLapsesEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := tenantstest.NewQueue(tenantstest.QueueOptions{Visibility: time.Minute,
			Faults: tenantstest.Faults{Seed: 1, Twice: 1}})
		if err := q.Send(t.Context(), tenants.Message{Group: "g", Body: []byte("b")}); err != nil {
			t.Fatal(err)
		}
		for want := 1; want <= 2; want++ {
			got, err := q.Receive(t.Context(), 10, 2*time.Minute)
			if err != nil || len(got) != 1 || got[0].Receives != want {
				t.Fatalf("receive %d: got %v, %v", want, got, err)
			}
			if err := q.Done(t.Context(), got...); err != nil {
				t.Fatal(err)
			}
		}
		if q.Len() != 0 {
			t.Error("the message is never removed")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		q := tenantstest.NewQueue(tenantstest.QueueOptions{Visibility: time.Minute,
			Faults: tenantstest.Faults{Seed: 1, Lapsed: 1}})
		if err := q.Send(t.Context(), tenants.Message{Body: []byte("b")}); err != nil {
			t.Fatal(err)
		}
		if _, err := q.Receive(t.Context(), 1, 0); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if got, err := q.Receive(t.Context(), 1, time.Minute); err != nil || len(got) != 1 ||
			time.Since(start) >= time.Minute {
			t.Errorf("after %v: got %v, %v", time.Since(start), got, err)
		}
	})
}

func TestBrokenRulesPanic(t *testing.T) {
	table, queue := tenantstest.NewTable(tenantstest.Faults{}), tenantstest.NewQueue(tenantstest.QueueOptions{})
	many := make([]tenants.Op, 101)
	for i := range many {
		many[i] = put(i)
	}
	ctx := context.Background()
	write := func(ops ...tenants.Op) func() { return func() { table.Write(ctx, ops...) } }
	send := func(m tenants.Message) func() { return func() { queue.Send(ctx, m) } }
	query := func(kind tenants.Kind, limit int) func() {
		return func() { table.Query(ctx, tenants.Range{Tenant: "ten_a", Kind: kind, Limit: limit}) }
	}
	body := []byte("b")
	for name, f := range map[string]func(){
		"no op":         write(),
		"101 ops":       write(many...),
		"one key twice": write(put(1), put(1)),
		"no tenant": write(tenants.Put(tenants.Key{Kind: "evt", Sort: "a"}, nil, time.Time{},
			tenants.Anything())),
		"no kind": write(tenants.Put(tenants.Key{Tenant: "ten_a", Sort: "a"}, nil, time.Time{},
			tenants.Anything())),
		"control byte in sort": write(tenants.Put(tenants.Key{Tenant: "ten_a", Kind: "evt", Sort: "a\n"}, nil,
			time.Time{}, tenants.Anything())),
		"no sort in order": write(tenants.Put(tenants.Key{Tenant: "ten_a", Kind: "log/c"}, nil, time.Time{},
			tenants.Anything())),
		"body too large":        write(tenants.Put(row(1), make([]byte, 390<<10+1), time.Time{}, tenants.Anything())),
		"version 0":             write(tenants.Check(row(1), tenants.At(0))),
		"query of a point kind": query("evt", 1),
		"limit 0":               query("log/c", 0),
		"limit 1001":            query("log/c", 1001),
		"empty message":         send(tenants.Message{}),
		"message too large":     send(tenants.Message{Body: make([]byte, 1_000_001)}),
		"delay in a group":      send(tenants.Message{Group: "g", Delay: 1, Body: body}),
		"delay too long":        send(tenants.Message{Delay: 16 * time.Minute, Body: body}),
		"group too long":        send(tenants.Message{Group: string(make([]byte, 129)), Body: body}),
		"receive 0":             func() { queue.Receive(ctx, 0, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("got no panic, want one")
				}
			}()
			f()
		})
	}
}
