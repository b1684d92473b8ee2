package intake_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/node"
	"github.com/hookcast/hookcast/tenants/source"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

func newAppenderRig(faults tenantstest.Faults) rig.AppenderRig {
	r := rig.AppenderRig{Table: tenantstest.NewTable(faults), Queue: tenantstest.NewQueue(tenantstest.QueueOptions{Faults: faults}), Inboxes: &rig.Inboxes{Fail: map[string]error{}}}
	r.Log, r.Interest = eventlog.New(r.Table), node.NewInterest(r.Table)
	r.Appender = intake.NewAppender(r.Log, r.Interest, r.Inboxes, r.Queue)
	return r
}

func TestAppenderTellsTheNodesThatListen(t *testing.T) {
	r := newAppenderRig(tenantstest.Faults{})
	r.Register(t, "nod_a", "orders")
	r.Register(t, "nod_b", "orders")
	r.Register(t, "nod_b", "returns")
	r.Register(t, "nod_gone", "orders")
	r.Inboxes.Fail["nod_gone"] = tenants.Errorf(tenants.NotFound, "inbox_gone", "gone")
	a, b := rig.Made("a", 3), rig.Made("b", 2)
	failed := r.Append(context.Background(), slices.Concat(rig.Received("orders", a[0]), rig.Received("returns", b[0]), rig.Received("orders", a[1:]...), rig.Received("unheard", b[1])))
	if failed != nil {
		t.Errorf("failed: %v", failed)
	}
	if got := r.Inboxes.Got("nod_a"); !slices.Equal(got, []string{"orders: a1 a2 a3"}) {
		t.Errorf("nod_a got %q", got)
	}
	got := r.Inboxes.Got("nod_b")
	if slices.Sort(got); !slices.Equal(got, []string{"orders: a1 a2 a3", "returns: b1"}) {
		t.Errorf("nod_b got %q", got)
	}
	rig.WantData(t, rig.Whole(t, r.Log, "unheard"), "b2")
}

func TestAppenderFailsWhatItMust(t *testing.T) {
	a, b := rig.Made("a", 4), rig.Made("b", 2)
	junk := tenants.Received{Message: tenants.Message{Group: "group-of-orders", Body: []byte("junk")}}
	foreign := a[3]
	foreign.Tenant = tenants.System
	down := func(r rig.AppenderRig) {
		r.Inboxes.Fail["nod_a"] = tenants.Errorf(tenants.Unavailable, "down", "down")
	}
	for _, tt := range []struct {
		name   string
		rs     []tenants.Received
		before func(rig.AppenderRig)
		failed []int
		log    []string
		told   []string
	}{
		{"nothing", rig.Received("orders", a...), nil, nil, []string{"a1", "a2", "a3", "a4"}, []string{"orders: a1 a2 a3 a4"}},
		{"what is no event, and the later ones of its group", slices.Concat(rig.Received("orders", a[:2]...), []tenants.Received{junk}, rig.Received("returns", b...), rig.Received("orders", a[2:]...)),
			nil, []int{2, 5, 6}, []string{"a1", "a2"}, []string{"orders: a1 a2"}},
		{"an event of a tenant that cannot be", []tenants.Received{{Message: tenants.Message{Group: "x", Body: tenants.EncodeEvent(foreign)}}}, nil, []int{0}, nil, nil},
		{"an empty message", []tenants.Received{{Message: tenants.Message{Group: "x"}}}, nil, []int{0}, nil, nil},
		{"what a node could not be told of", slices.Concat(rig.Received("orders", a[:2]...), rig.Received("returns", b...)), down, []int{0, 1}, []string{"a1", "a2"}, nil},
		{"what the table could not take", slices.Concat(rig.Received("orders", a[:2]...), rig.Received("returns", b...)), func(r rig.AppenderRig) {
			r.Table.Fail(tenantstest.Lost, func(c tenantstest.Call) bool { return c.Method == "Write" && c.Keys[0].Sort == a[1].ID })
		}, []int{0, 1}, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newAppenderRig(tenantstest.Faults{})
			r.Register(t, "nod_a", "orders")
			if tt.before != nil {
				tt.before(r)
			}
			if got := r.Append(context.Background(), tt.rs); !slices.Equal(got, tt.failed) {
				t.Errorf("failed %v, want %v", got, tt.failed)
			}
			rig.WantData(t, rig.Whole(t, r.Log, "orders"), tt.log...)
			if got := r.Inboxes.Got("nod_a"); !slices.Equal(got, tt.told) {
				t.Errorf("told %q, want %q", got, tt.told)
			}
		})
	}
}

// A node that could not be told is told when the messages come again, though the rows were there before.
func TestAppenderTellsAgain(t *testing.T) {
	r := newAppenderRig(tenantstest.Faults{})
	r.Register(t, "nod_a", "orders")
	r.Inboxes.Fail["nod_a"] = errors.New("down")
	rs := rig.Received("orders", rig.Made("a", 2)...)
	if failed := r.Append(context.Background(), rs); len(failed) != 2 {
		t.Fatalf("failed %v", failed)
	}
	delete(r.Inboxes.Fail, "nod_a")
	if failed := r.Append(context.Background(), rs); failed != nil {
		t.Fatalf("failed %v", failed)
	}
	if got := r.Inboxes.Got("nod_a"); !slices.Equal(got, []string{"orders: a1 a2"}) {
		t.Errorf("told %q", got)
	}
}

func TestWhatWaitsOfADeletedTenantIsDropped(t *testing.T) {
	r, ctx := rig.NewIntakeRig(t), context.Background()
	r.Tenants = r.Accounts
	_, token := r.Source(t, source.Spec{Provider: "github", Secret: rig.IntakeSecret, Channel: "orders"})
	send := func(delivery string) {
		t.Helper()
		if _, err := r.Receiver.Receive(ctx, rig.Github(t, token, delivery, "push", "{}")); err != nil {
			t.Fatal(err)
		}
	}
	send("1")
	if _, err := r.Accounts.Suspend(ctx, r.Tenant); err != nil {
		t.Fatal(err)
	}
	r.AppendAll(t)
	if n := len(r.All(t, "orders")); n != 1 {
		t.Fatalf("%d events of a suspended tenant, which loses nothing", n)
	}
	if _, err := r.Accounts.Resume(ctx, r.Tenant); err != nil {
		t.Fatal(err)
	}
	send("2")
	if err := r.Erasure.Delete(ctx, r.Tenant); err != nil {
		t.Fatal(err)
	}
	r.AppendAll(t)
	if n := len(r.All(t, "orders")); n != 1 {
		t.Errorf("%d events: one was appended after its tenant had gone", n)
	}
	if rs, err := r.Queue.Receive(ctx, 10, 0); err != nil || len(rs) > 0 {
		t.Errorf("%d messages are left, %v", len(rs), err)
	}
}

func TestNoticesAreConsecutiveAndSmall(t *testing.T) {
	r := newAppenderRig(tenantstest.Faults{})
	r.Register(t, "nod_a", "orders")
	large := rig.Made("large", 10)
	for i := range large {
		large[i].Data = []byte(strings.Repeat("x", 60<<10) + string(large[i].Data))
	}
	r.Append(context.Background(), rig.Received("orders", large...))
	r.Append(context.Background(), rig.Received("orders", large[7], large[2], large[3], large[2]))
	r.Inboxes.Mu.Lock()
	defer r.Inboxes.Mu.Unlock()
	var seqs []int64
	for _, n := range r.Inboxes.Sent["nod_a"] {
		size := 0
		for i, e := range n.Events {
			size += len(tenants.EncodeEvent(e))
			if e.Seq != n.Events[0].Seq+int64(i) {
				t.Errorf("a notice with %v", rig.SeqsOf(n.Events))
			}
			seqs = append(seqs, e.Seq)
		}
		if size > 200<<10 {
			t.Errorf("a notice of %d bytes", size)
		}
	}
	if want := []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 3, 4, 8}; !slices.Equal(seqs, want) {
		t.Errorf("told of %v, want %v", seqs, want)
	}
}

func TestRunEndsWithItsBatchDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newAppenderRig(tenantstest.Faults{})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { r.Run(ctx, 3); close(ended) }()
		synctest.Wait() // all workers wait for messages
		ice := r.Table.Freeze(tenantstest.BeforeActing, func(c tenantstest.Call) bool { return c.Method == "WriteEach" })
		if err := r.Queue.Send(ctx, rig.Message("orders", rig.Made("a", 1)[0])); err != nil {
			t.Fatal(err)
		}
		<-ice.Reached()
		cancel()
		synctest.Wait()
		select {
		case <-ended:
			t.Error("Run returned with a batch in its hands")
		default:
		}
		ice.Thaw()
		<-ended
		if r.Queue.Len() != 0 {
			t.Error("the message is still in the queue")
		}
		rig.WantData(t, rig.Whole(t, r.Log, "orders"), "a1")
	})
}

func TestRunComesBackToWhatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newAppenderRig(tenantstest.Faults{})
		r.Register(t, "nod_a", "orders")
		r.Table.Fail(tenantstest.Lost, func(c tenantstest.Call) bool { return c.Method == "WriteEach" })
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { r.Run(ctx, 1) })
		if err := r.Queue.Send(ctx, rig.Message("orders", rig.Made("a", 1)[0])); err != nil {
			t.Fatal(err)
		}
		time.Sleep(300 * time.Millisecond)
		if got := r.Inboxes.Got("nod_a"); !slices.Equal(got, []string{"orders: a1"}) {
			t.Errorf("told %q", got)
		}
		cancel()
		running.Wait()
	})
}

// A channel that keeps failing waits longer and longer, and another one that failed beside it does not wait with it.
func TestFailedBatchComesBackSoonAtFirstAndByGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, q := t.Context(), tenantstest.NewQueue(tenantstest.QueueOptions{Visibility: time.Hour, MaxReceives: 100})
		table := rig.NewTable()
		a := intake.NewAppender(eventlog.New(table), node.NewInterest(table), &rig.Inboxes{}, q)
		next := func(group string) tenants.Received {
			t.Helper()
			rs, err := q.Receive(ctx, 1, time.Minute)
			if err != nil || len(rs) != 1 || rs[0].Group != group {
				t.Fatalf("%+v, %v, want one of %s", rs, err, group)
			}
			return rs[0]
		}
		fail := func(rs ...tenants.Received) {
			t.Helper()
			if failed := a.Append(ctx, rs); len(failed) != len(rs) {
				t.Fatalf("of what is no event %v failed", failed)
			}
		}
		if err := q.Send(ctx, tenants.Message{Group: "poison", Body: []byte("x")}); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for range 9 {
			fail(next("poison"))
		}
		if waited := time.Since(began); waited < 20*time.Second || waited > 90*time.Second {
			t.Errorf("nine failures in %v", waited)
		}
		poison := next("poison")
		if err := q.Send(ctx, tenants.Message{Group: "unlucky", Body: []byte("y")}); err != nil {
			t.Fatal(err)
		}
		fail(poison, next("unlucky"))
		began = time.Now()
		if r := next("unlucky"); r.Receives != 2 || time.Since(began) > 2*time.Second {
			t.Errorf("received for the %d. time after %v", r.Receives, time.Since(began))
		}
		if next("poison"); time.Since(began) < 20*time.Second {
			t.Errorf("the one that fails for good was back after %v", time.Since(began))
		}
	})
}
