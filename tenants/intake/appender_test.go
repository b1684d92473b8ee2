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

func newAppenderRig() rig.AppenderRig {
	return rig.NewAppenderRig(rig.NewTable(), tenantstest.Faults{})
}

func TestAppenderTellsTheNodesThatListen(t *testing.T) {
	r := newAppenderRig()
	r.Register(t, "nod_a", "orders")
	r.Register(t, "nod_b", "orders")
	r.Register(t, "nod_b", "returns")
	r.Register(t, "nod_gone", "orders")
	r.Inboxes.Fail["nod_gone"] = tenants.Errorf(tenants.NotFound, "inbox_gone", "gone")
	a, b := rig.Made("a", 3), rig.Made("b", 2)
	failed := r.Append(context.Background(), slices.Concat(rig.Received("orders", a[0]), rig.Received("returns", b[0]),
		rig.Received("orders", a[1:]...), rig.Received("unheard", b[1])))
	if failed != nil {
		t.Errorf("messages %v failed, want none", failed)
	}
	for node, want := range map[string][]string{
		"nod_a": {"orders: a1 a2 a3"},
		"nod_b": {"orders: a1 a2 a3", "returns: b1"},
	} {
		got := r.Inboxes.Got(node)
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", node, got, want)
		}
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
	unstored := func(r rig.AppenderRig) {
		r.Table.Fail(tenantstest.Lost, func(c tenantstest.Call) bool {
			return c.Method == "Write" && c.Keys[0].Sort == a[1].ID
		})
	}
	one := func(body []byte) []tenants.Received {
		return []tenants.Received{{Message: tenants.Message{Group: "x", Body: body}}}
	}
	two := slices.Concat(rig.Received("orders", a[:2]...), rig.Received("returns", b...))
	for _, tt := range []struct {
		name   string
		rs     []tenants.Received
		before func(rig.AppenderRig)
		failed []int
		log    []string
		told   []string
	}{
		{"nothing", rig.Received("orders", a...), nil, nil, []string{"a1", "a2", "a3", "a4"},
			[]string{"orders: a1 a2 a3 a4"}},
		{"a message that is not an event, and the later ones of its group",
			slices.Concat(rig.Received("orders", a[:2]...), []tenants.Received{junk}, rig.Received("returns", b...),
				rig.Received("orders", a[2:]...)),
			nil, []int{2, 5, 6}, []string{"a1", "a2"}, []string{"orders: a1 a2"}},
		{"an event with an invalid tenant", one(tenants.EncodeEvent(foreign)), nil, []int{0}, nil, nil},
		{"an empty message", one(nil), nil, []int{0}, nil, nil},
		{"events that a node could not be told of", two, down, []int{0, 1}, []string{"a1", "a2"}, nil},
		{"events that the table could not store", two, unstored, []int{0, 1}, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newAppenderRig()
			r.Register(t, "nod_a", "orders")
			if tt.before != nil {
				tt.before(r)
			}
			if got := r.Append(context.Background(), tt.rs); !slices.Equal(got, tt.failed) {
				t.Errorf("messages %v failed, want %v", got, tt.failed)
			}
			rig.WantData(t, rig.Whole(t, r.Log, "orders"), tt.log...)
			if got := r.Inboxes.Got("nod_a"); !slices.Equal(got, tt.told) {
				t.Errorf("nod_a was sent %q, want %q", got, tt.told)
			}
		})
	}
}

// A node that could not be told is told when the messages come again, although the rows are in the log already.
func TestAppenderTellsAgain(t *testing.T) {
	r := newAppenderRig()
	r.Register(t, "nod_a", "orders")
	r.Inboxes.Fail["nod_a"] = errors.New("down")
	rs := rig.Received("orders", rig.Made("a", 2)...)
	if failed := r.Append(context.Background(), rs); len(failed) != 2 {
		t.Fatalf("messages %v failed, want both", failed)
	}
	delete(r.Inboxes.Fail, "nod_a")
	if failed := r.Append(context.Background(), rs); failed != nil {
		t.Fatalf("messages %v failed, want none", failed)
	}
	if got, want := r.Inboxes.Got("nod_a"), []string{"orders: a1 a2"}; !slices.Equal(got, want) {
		t.Errorf("nod_a was sent %q, want %q", got, want)
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
		t.Fatalf("got %d events of a suspended tenant, want 1: it loses nothing", n)
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
		t.Errorf("got %d events, want 1: the other came from the queue after its tenant was deleted", n)
	}
	if rs, err := r.Queue.Receive(ctx, 10, 0); err != nil || len(rs) > 0 {
		t.Errorf("got %d messages left in the queue (%v), want none", len(rs), err)
	}
}

func TestNoticesAreConsecutiveAndSmall(t *testing.T) {
	r := newAppenderRig()
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
				t.Errorf("got a message with the numbers %v, want consecutive ones", rig.SeqsOf(n.Events))
			}
			seqs = append(seqs, e.Seq)
		}
		if size > 200<<10 {
			t.Errorf("got a message of %d bytes, want at most 200 KiB", size)
		}
	}
	if want := []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 3, 4, 8}; !slices.Equal(seqs, want) {
		t.Errorf("got the numbers %v, want %v", seqs, want)
	}
}

func TestRunEndsWithItsBatchDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newAppenderRig()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { r.Run(ctx, 3); close(ended) }()
		synctest.Wait() // all workers wait for messages
		ice := r.Table.Freeze(tenantstest.BeforeActing, func(c tenantstest.Call) bool {
			return c.Method == "WriteEach"
		})
		if err := r.Queue.Send(ctx, rig.Message("orders", rig.Made("a", 1)[0])); err != nil {
			t.Fatal(err)
		}
		<-ice.Reached()
		cancel()
		synctest.Wait()
		select {
		case <-ended:
			t.Error("Run returned while a batch was in work")
		default:
		}
		ice.Thaw()
		<-ended
		if r.Queue.Len() != 0 {
			t.Errorf("%d messages are left in the queue, want none", r.Queue.Len())
		}
		rig.WantData(t, rig.Whole(t, r.Log, "orders"), "a1")
	})
}

func TestRunComesBackToWhatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newAppenderRig()
		r.Register(t, "nod_a", "orders")
		r.Table.Fail(tenantstest.Lost, func(c tenantstest.Call) bool { return c.Method == "WriteEach" })
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { r.Run(ctx, 1) })
		if err := r.Queue.Send(ctx, rig.Message("orders", rig.Made("a", 1)[0])); err != nil {
			t.Fatal(err)
		}
		time.Sleep(300 * time.Millisecond)
		if got, want := r.Inboxes.Got("nod_a"), []string{"orders: a1"}; !slices.Equal(got, want) {
			t.Errorf("nod_a was sent %q, want %q", got, want)
		}
		cancel()
		running.Wait()
	})
}

// A channel that keeps failing waits longer each time; another one that fails in the same batch does not wait with it.
func TestFailedBatchComesBackSoonAtFirstAndByGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, q := t.Context(), tenantstest.NewQueue(tenantstest.QueueOptions{Visibility: time.Hour, MaxReceives: 100})
		table := rig.NewTable()
		a := intake.NewAppender(eventlog.New(table), node.NewInterest(table), &rig.Inboxes{}, q)
		next := func(group string) tenants.Received {
			t.Helper()
			rs, err := q.Receive(ctx, 1, time.Minute)
			if err != nil || len(rs) != 1 || rs[0].Group != group {
				t.Fatalf("got %+v (%v), want one message of %s", rs, err, group)
			}
			return rs[0]
		}
		fail := func(rs ...tenants.Received) {
			t.Helper()
			if failed := a.Append(ctx, rs); len(failed) != len(rs) {
				t.Fatalf("messages %v failed, want all %d", failed, len(rs))
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
			t.Errorf("nine failures took %v, want 20 s to 90 s", waited)
		}
		poison := next("poison")
		if err := q.Send(ctx, tenants.Message{Group: "unlucky", Body: []byte("y")}); err != nil {
			t.Fatal(err)
		}
		fail(poison, next("unlucky"))
		began = time.Now()
		if r := next("unlucky"); r.Receives != 2 || time.Since(began) > 2*time.Second {
			t.Errorf("got receive %d after %v, want the second within 2 s", r.Receives, time.Since(began))
		}
		if next("poison"); time.Since(began) < 20*time.Second {
			t.Errorf("the message that always fails was back after %v, want 20 s or more", time.Since(began))
		}
	})
}
