package node_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/node"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

func TestInterest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		in := node.NewInterest(rig.NewTable())
		register := func(node, channel string, life time.Duration) {
			if err := in.Register(ctx, node, time.Now().Add(life), rig.LogTenant, channel, 0); err != nil {
				t.Fatal(err)
			}
		}
		want := func(channel string, nodes ...string) {
			t.Helper()
			got, err := in.Nodes(ctx, rig.LogTenant, channel)
			if err != nil || !slices.Equal(got, nodes) {
				t.Errorf("%s: got %q, %v, want %q", channel, got, err, nodes)
			}
		}
		want("orders")
		register("nod_b", "orders", 30*time.Second)
		register("nod_a", "orders", 10*time.Second)
		register("nod_c", "returns", 30*time.Second)
		want("orders", "nod_a", "nod_b")
		want("returns", "nod_c")
		if err := in.Drop(ctx, "nod_b", rig.LogTenant, "orders"); err != nil {
			t.Fatal(err)
		}
		if err := in.Drop(ctx, "nod_x", rig.LogTenant, "orders"); err != nil {
			t.Errorf("drop of an interest that does not exist: got %v, want nil", err)
		}
		want("orders", "nod_a")
		register("nod_a", "orders", 20*time.Second) // renewed
		time.Sleep(15 * time.Second)
		want("orders", "nod_a")
		time.Sleep(6 * time.Second)
		want("orders")
	})
}

func TestInterestOfVeryManyNodes(t *testing.T) {
	in := node.NewInterest(rig.NewTable())
	for i := range 2001 {
		name, until := fmt.Sprintf("nod_%05d", i), time.Now().Add(time.Hour)
		if err := in.Register(context.Background(), name, until, rig.LogTenant, "orders", 0); err != nil {
			t.Fatal(err)
		}
	}
	nodes, err := in.Nodes(context.Background(), rig.LogTenant, "orders")
	slices.Sort(nodes)
	if err != nil || len(slices.Compact(nodes)) != 2001 {
		t.Errorf("got %d nodes, %v, want 2001", len(nodes), err)
	}
}

// Subscribers adds up what live nodes have registered.
func TestSubscribersOverAllNodes(t *testing.T) {
	rig.InFleet(t, 2, func(t *testing.T, fl *rig.Fleet) {
		ctx, in := context.Background(), node.NewInterest(fl.Table)
		tell := func(node string, n int) {
			if err := in.Register(ctx, node, time.Now().Add(time.Hour), rig.LogTenant, "orders", n); err != nil {
				t.Fatal(err)
			}
		}
		tell(fl.Sites[0].Node.ID(), 3)
		tell(fl.Sites[1].Node.ID(), 4)
		tell("nod_dead", 100)
		for range 50 {
			if n := rig.Ok(in.Subscribers(ctx, rig.LogTenant, "orders"))(t); n != 7 {
				t.Fatalf("%d subscribers, want 7", n)
			}
		}
		if n := fl.Table.Count("Query"); n > 2+2*len(fl.Sites) {
			t.Errorf("%d queries for 50 answers, want at most %d", n, 2+2*len(fl.Sites))
		}
		tell(fl.Sites[0].Node.ID(), 1)
		time.Sleep(2 * time.Second)
		if n := rig.Ok(in.Subscribers(ctx, rig.LogTenant, "orders"))(t); n != 5 {
			t.Errorf("%d subscribers 2 s after a change, want 5", n)
		}
		fl.Sites[1].Kill()
		time.Sleep(30 * time.Second)
		if n := rig.Ok(in.Subscribers(ctx, rig.LogTenant, "orders"))(t); n != 1 {
			t.Errorf("%d subscribers 30 s after a node died, want 1", n)
		}
	})
}

// The appender removes the interest of a node whose inbox is gone, unless its lease is held.
func TestInterestOfADeadNodeGoes(t *testing.T) {
	rig.InFleet(t, 2, func(t *testing.T, fl *rig.Fleet) {
		ctx, in := context.Background(), node.NewInterest(fl.Table)
		alive, dead := fl.Sites[0].Node.ID(), fl.Sites[1].Node.ID()
		for _, node := range []string{alive, dead} {
			if err := in.Register(ctx, node, time.Now().Add(time.Hour), rig.LogTenant, "orders", 1); err != nil {
				t.Fatal(err)
			}
		}
		fl.Sites[1].Kill()
		time.Sleep(30 * time.Second)
		gone := &rig.Inboxes{Fail: map[string]error{}}
		for _, node := range []string{alive, dead} {
			gone.Fail[node] = tenants.Errorf(tenants.NotFound, "inbox_gone", "gone")
		}
		a := intake.NewAppender(eventlog.New(fl.Table), in, gone, tenantstest.NewQueue(tenantstest.QueueOptions{}))
		if failed := a.Append(ctx, rig.Received("orders", rig.Made("a", 1)...)); failed != nil {
			t.Errorf("events %v failed, want none", failed)
		}
		if nodes := rig.Ok(in.Nodes(ctx, rig.LogTenant, "orders"))(t); !slices.Equal(nodes, []string{alive}) {
			t.Errorf("got interest of %q, want %q", nodes, alive)
		}
	})
}

// TestRequestsPerEvent holds the cost of an event when nothing fails: one channel, two nodes with subscribers,
// batches of one event and of ten. The time shows how many requests a batch makes one after the other.
func TestRequestsPerEvent(t *testing.T) {
	rig.InFleet(t, 2, func(t *testing.T, fl *rig.Fleet) {
		ctx, in := context.Background(), node.NewInterest(fl.Table)
		for _, s := range fl.Sites {
			if err := in.Register(ctx, s.Node.ID(), time.Now().Add(time.Hour), rig.LogTenant, "orders", 1); err != nil {
				t.Fatal(err)
			}
		}
		counted := &calls{Table: fl.Table, n: map[string]int{}}
		queue := tenantstest.NewQueue(tenantstest.QueueOptions{})
		a := intake.NewAppender(eventlog.New(counted), node.NewInterest(counted), fl.Inboxes, queue)
		events := rig.Made("a", 101)
		if failed := a.Append(ctx, rig.Received("orders", events[0])); failed != nil {
			t.Fatalf("events %v failed, want none", failed)
		}
		clear(counted.n)
		sends := fl.Inboxes.Sends()
		for i := range 100 {
			if failed := a.Append(ctx, rig.Received("orders", events[i+1])); failed != nil {
				t.Fatalf("events %v failed, want none", failed)
			}
		}
		want := "map[Query interest/orders:100 Write evt:100 Write head:100 Write log/orders:100]"
		if got := fmt.Sprint(counted.n); got != want {
			t.Errorf("100 events took\n%s, want\n%s", got, want)
		}
		if n := fl.Inboxes.Sends() - sends; n != 200 {
			t.Errorf("%d notices, want 200", n)
		}

		clear(counted.n)
		counted.takes = time.Millisecond
		for _, batch := range []struct {
			size  int
			calls string
			waits time.Duration
		}{
			{1, "map[Query interest/orders:1 Write evt:1 Write head:1 Write log/orders:1]", 4 * time.Millisecond},
			{10, "map[Query interest/orders:1 Write evt:10 Write head:1 Write log/orders:10]", 13 * time.Millisecond},
		} {
			clear(counted.n)
			sends, began := fl.Inboxes.Sends(), time.Now()
			made := rig.Made("b"+fmt.Sprint(batch.size), batch.size)
			if failed := a.Append(ctx, rig.Received("orders", made...)); failed != nil {
				t.Fatalf("events %v failed, want none", failed)
			}
			took, calls, notices := time.Since(began), fmt.Sprint(counted.n), fl.Inboxes.Sends()-sends
			if took != batch.waits || calls != batch.calls || notices != 2 {
				t.Errorf("a batch of %d took\n%v, %d notices and %v, want\n%s, 2 notices and %v",
					batch.size, calls, notices, took, batch.calls, batch.waits)
			}
		}
	})
}

// calls counts the calls of a table by method and kind. A WriteEach counts as one Write per op, as on most engines.
type calls struct {
	tenants.Table
	takes time.Duration // the duration of each call
	mu    sync.Mutex
	n     map[string]int
}

func (c *calls) count(what string, k tenants.Kind) {
	time.Sleep(c.takes)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[what+" "+string(k)]++
}

func (c *calls) Get(ctx context.Context, k tenants.Key) (tenants.Row, error) {
	c.count("Get", k.Kind)
	return c.Table.Get(ctx, k)
}

func (c *calls) Query(ctx context.Context, r tenants.Range) ([]tenants.Row, error) {
	c.count("Query", r.Kind)
	return c.Table.Query(ctx, r)
}

func (c *calls) Write(ctx context.Context, ops ...tenants.Op) error {
	c.count("Write", ops[0].Row.Kind)
	return c.Table.Write(ctx, ops...)
}

func (c *calls) WriteEach(ctx context.Context, ops ...tenants.Op) (int, error) {
	for _, o := range ops {
		c.count("Write", o.Row.Kind)
	}
	return c.Table.WriteEach(ctx, ops...)
}
