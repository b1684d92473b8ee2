package tenants_test

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
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// inboxes remembers what nodes were sent.
type inboxes struct {
	mu   sync.Mutex
	sent map[string][]tenants.Notice
	fail map[string]error
}

func (b *inboxes) Send(_ context.Context, node string, ns ...tenants.Notice) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.fail[node]; err != nil {
		return err
	}
	if b.sent == nil {
		b.sent = make(map[string][]tenants.Notice)
	}
	b.sent[node] = append(b.sent[node], ns...)
	return nil
}

// got returns the data that the node was sent, a text for each notice.
func (b *inboxes) got(node string) (notices []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.sent[node] {
		notices = append(notices, n.Channel+": "+strings.Join(dataOf(n.Events), " "))
	}
	return notices
}

type appenderRig struct {
	*tenants.Appender
	table    *tenantstest.Table
	queue    *tenantstest.Queue
	log      *tenants.Log
	interest *tenants.Interest
	inboxes  *inboxes
}

func newAppenderRig(faults tenantstest.Faults) appenderRig {
	r := appenderRig{table: tenantstest.NewTable(faults), queue: tenantstest.NewQueue(tenantstest.QueueOptions{Faults: faults}), inboxes: &inboxes{fail: map[string]error{}}}
	r.log, r.interest = tenants.NewLog(r.table), tenants.NewInterest(r.table)
	r.Appender = tenants.NewAppender(r.log, r.interest, r.inboxes, r.queue)
	return r
}

func (r appenderRig) register(t *testing.T, node, channel string) {
	t.Helper()
	if err := r.interest.Register(context.Background(), node, time.Now().Add(time.Hour), logTenant, channel, 0); err != nil {
		t.Fatal(err)
	}
}

// message is an event as it is enqueued.
func message(channel string, e tenants.Event) tenants.Message {
	e.Tenant, e.Channel = logTenant, channel
	return tenants.Message{Group: "group-of-" + channel, Body: tenants.EncodeEvent(e)}
}

func received(channel string, events ...tenants.Event) (rs []tenants.Received) {
	for _, e := range events {
		rs = append(rs, tenants.Received{Message: message(channel, e), Receives: 1})
	}
	return rs
}

func TestAppenderTellsTheNodesThatListen(t *testing.T) {
	r := newAppenderRig(tenantstest.Faults{})
	r.register(t, "nod_a", "orders")
	r.register(t, "nod_b", "orders")
	r.register(t, "nod_b", "returns")
	r.register(t, "nod_gone", "orders")
	r.inboxes.fail["nod_gone"] = tenants.Errorf(tenants.NotFound, "inbox_gone", "gone")
	a, b := made("a", 3), made("b", 2)
	failed := r.Append(context.Background(), slices.Concat(received("orders", a[0]), received("returns", b[0]), received("orders", a[1:]...), received("unheard", b[1])))
	if failed != nil {
		t.Errorf("failed: %v", failed)
	}
	if got := r.inboxes.got("nod_a"); !slices.Equal(got, []string{"orders: a1 a2 a3"}) {
		t.Errorf("nod_a got %q", got)
	}
	got := r.inboxes.got("nod_b")
	if slices.Sort(got); !slices.Equal(got, []string{"orders: a1 a2 a3", "returns: b1"}) {
		t.Errorf("nod_b got %q", got)
	}
	wantData(t, whole(t, r.log, "unheard"), "b2")
}

func TestAppenderFailsWhatItMust(t *testing.T) {
	a, b := made("a", 4), made("b", 2)
	junk := tenants.Received{Message: tenants.Message{Group: "group-of-orders", Body: []byte("junk")}}
	foreign := a[3]
	foreign.Tenant = tenants.System
	down := func(r appenderRig) {
		r.inboxes.fail["nod_a"] = tenants.Errorf(tenants.Unavailable, "down", "down")
	}
	for _, tt := range []struct {
		name   string
		rs     []tenants.Received
		before func(appenderRig)
		failed []int
		log    []string
		told   []string
	}{
		{"nothing", received("orders", a...), nil, nil, []string{"a1", "a2", "a3", "a4"}, []string{"orders: a1 a2 a3 a4"}},
		{"what is no event, and the later ones of its group", slices.Concat(received("orders", a[:2]...), []tenants.Received{junk}, received("returns", b...), received("orders", a[2:]...)),
			nil, []int{2, 5, 6}, []string{"a1", "a2"}, []string{"orders: a1 a2"}},
		{"an event of a tenant that cannot be", []tenants.Received{{Message: tenants.Message{Group: "x", Body: tenants.EncodeEvent(foreign)}}}, nil, []int{0}, nil, nil},
		{"an empty message", []tenants.Received{{Message: tenants.Message{Group: "x"}}}, nil, []int{0}, nil, nil},
		{"what a node could not be told of", slices.Concat(received("orders", a[:2]...), received("returns", b...)), down, []int{0, 1}, []string{"a1", "a2"}, nil},
		{"what the table could not take", slices.Concat(received("orders", a[:2]...), received("returns", b...)), func(r appenderRig) {
			r.table.Fail(tenantstest.Lost, func(c tenantstest.Call) bool { return c.Method == "Write" && c.Keys[0].Sort == a[1].ID })
		}, []int{0, 1}, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newAppenderRig(tenantstest.Faults{})
			r.register(t, "nod_a", "orders")
			if tt.before != nil {
				tt.before(r)
			}
			if got := r.Append(context.Background(), tt.rs); !slices.Equal(got, tt.failed) {
				t.Errorf("failed %v, want %v", got, tt.failed)
			}
			wantData(t, whole(t, r.log, "orders"), tt.log...)
			if got := r.inboxes.got("nod_a"); !slices.Equal(got, tt.told) {
				t.Errorf("told %q, want %q", got, tt.told)
			}
		})
	}
}

// A node that could not be told is told when the messages come again, though the rows were there before.
func TestAppenderTellsAgain(t *testing.T) {
	r := newAppenderRig(tenantstest.Faults{})
	r.register(t, "nod_a", "orders")
	r.inboxes.fail["nod_a"] = errors.New("down")
	rs := received("orders", made("a", 2)...)
	if failed := r.Append(context.Background(), rs); len(failed) != 2 {
		t.Fatalf("failed %v", failed)
	}
	delete(r.inboxes.fail, "nod_a")
	if failed := r.Append(context.Background(), rs); failed != nil {
		t.Fatalf("failed %v", failed)
	}
	if got := r.inboxes.got("nod_a"); !slices.Equal(got, []string{"orders: a1 a2"}) {
		t.Errorf("told %q", got)
	}
}

func TestWhatWaitsOfADeletedTenantIsDropped(t *testing.T) {
	r, ctx := newIntakeRig(t), context.Background()
	r.Tenants = r.accounts
	_, token := r.source(t, tenants.SourceSpec{Provider: "github", Secret: intakeSecret, Channel: "orders"})
	send := func(delivery string) {
		t.Helper()
		if _, err := r.receiver.Receive(ctx, github(t, token, delivery, "push", "{}")); err != nil {
			t.Fatal(err)
		}
	}
	send("1")
	if _, err := r.accounts.Suspend(ctx, r.tenant); err != nil {
		t.Fatal(err)
	}
	r.appendAll(t)
	if n := len(r.all(t, "orders")); n != 1 {
		t.Fatalf("%d events of a suspended tenant, which loses nothing", n)
	}
	if _, err := r.accounts.Resume(ctx, r.tenant); err != nil {
		t.Fatal(err)
	}
	send("2")
	if err := r.erasure.Delete(ctx, r.tenant); err != nil {
		t.Fatal(err)
	}
	r.appendAll(t)
	if n := len(r.all(t, "orders")); n != 1 {
		t.Errorf("%d events: one was appended after its tenant had gone", n)
	}
	if rs, err := r.queue.Receive(ctx, 10, 0); err != nil || len(rs) > 0 {
		t.Errorf("%d messages are left, %v", len(rs), err)
	}
}

func TestNoticesAreConsecutiveAndSmall(t *testing.T) {
	r := newAppenderRig(tenantstest.Faults{})
	r.register(t, "nod_a", "orders")
	large := made("large", 10)
	for i := range large {
		large[i].Data = []byte(strings.Repeat("x", 60<<10) + string(large[i].Data))
	}
	r.Append(context.Background(), received("orders", large...))
	r.Append(context.Background(), received("orders", large[7], large[2], large[3], large[2]))
	r.inboxes.mu.Lock()
	defer r.inboxes.mu.Unlock()
	var seqs []int64
	for _, n := range r.inboxes.sent["nod_a"] {
		size := 0
		for i, e := range n.Events {
			size += len(tenants.EncodeEvent(e))
			if e.Seq != n.Events[0].Seq+int64(i) {
				t.Errorf("a notice with %v", seqsOf(n.Events))
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
		ice := r.table.Freeze(tenantstest.BeforeActing, func(c tenantstest.Call) bool { return c.Method == "WriteEach" })
		if err := r.queue.Send(ctx, message("orders", made("a", 1)[0])); err != nil {
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
		if r.queue.Len() != 0 {
			t.Error("the message is still in the queue")
		}
		wantData(t, whole(t, r.log, "orders"), "a1")
	})
}

func TestRunComesBackToWhatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newAppenderRig(tenantstest.Faults{})
		r.register(t, "nod_a", "orders")
		r.table.Fail(tenantstest.Lost, func(c tenantstest.Call) bool { return c.Method == "WriteEach" })
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { r.Run(ctx, 1) })
		if err := r.queue.Send(ctx, message("orders", made("a", 1)[0])); err != nil {
			t.Fatal(err)
		}
		time.Sleep(300 * time.Millisecond)
		if got := r.inboxes.got("nod_a"); !slices.Equal(got, []string{"orders: a1"}) {
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
		table := newTable()
		a := tenants.NewAppender(tenants.NewLog(table), tenants.NewInterest(table), &inboxes{}, q)
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
