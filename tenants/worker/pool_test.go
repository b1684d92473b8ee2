package worker_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

// ledger is a queue that counts the messages received and not yet done or released, and the callers that wait.
type ledger struct {
	*tenantstest.Queue

	mu      sync.Mutex
	hands   map[string]bool // the messages in hand, by receipt
	most    int             // the most that were in hand at once
	waiting int
}

func (l *ledger) Receive(ctx context.Context, most int, wait time.Duration) ([]tenants.Received, error) {
	long := 0
	if wait > 0 {
		long = 1
	}
	l.count(func() { l.waiting += long })
	rs, err := l.Queue.Receive(ctx, most, wait)
	l.count(func() {
		l.waiting -= long
		for _, r := range rs {
			l.hands[r.Receipt] = true
		}
		l.most = max(l.most, len(l.hands))
	})
	return rs, err
}

func (l *ledger) Done(ctx context.Context, rs ...tenants.Received) error {
	l.let(rs)
	return l.Queue.Done(ctx, rs...)
}

func (l *ledger) Release(ctx context.Context, delay time.Duration, rs ...tenants.Received) error {
	l.let(rs)
	return l.Queue.Release(ctx, delay, rs...)
}

func (l *ledger) let(rs []tenants.Received) {
	l.count(func() {
		for _, r := range rs {
			delete(l.hands, r.Receipt)
		}
	})
}

func (l *ledger) count(do func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	do()
}

// workers returns how many goroutines handle messages.
func workers() int {
	stacks := make([]byte, 16<<20)
	return bytes.Count(stacks[:runtime.Stack(stacks, true)], []byte("(*Pool).work("))
}

// Workers exist while there are messages, and no message is received without a free worker. A single goroutine waits.
func TestWorkersComeForMessagesAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 32
		var endpoints []endpoint.Endpoint
		for i := range 8 {
			endpoints = append(endpoints, rig.EndpointOf(fmt.Sprint("e", i), func(e *endpoint.Endpoint) {
				e.Tenant, e.Concurrency = rig.OutingTenant(i%4), 16
			}))
		}
		p := rig.NewPost(t, func(string, string, int) (tenants.Answer, time.Duration) {
			return rig.Status(200), 5 * time.Second
		}, endpoints...)
		ready := &ledger{Queue: p.Ready, hands: make(map[string]bool)}
		p.Outbox.Ready = ready
		stop := p.Run(most)
		synctest.Wait()
		for round := range 3 {
			if n := workers(); n != 0 || ready.waiting != 1 {
				t.Errorf("round %d, idle: got %d workers and %d waiting, want 0 and 1", round, n, ready.waiting)
			}
			for i := range 4 {
				p.PublishOf(rig.OutingTenant(i), "orders", fmt.Sprint("r", round), 20)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if n := workers(); n != most {
				t.Errorf("round %d, busy: got %d workers, want %d", round, n, most)
			}
			time.Sleep(10 * time.Minute)
			synctest.Wait()
		}
		stop()
		if ready.most != most || len(ready.hands) != 0 {
			t.Errorf("messages in hand: got at most %d and %d at the end, want %d and 0", ready.most, len(ready.hands),
				most)
		}
		for _, ep := range endpoints {
			if n := len(p.Receivers.Of(ep.ID)); n != 60 {
				t.Errorf("%s: got %d requests, want 60", ep.Name, n)
			}
		}
	})
}

// tardy is a queue whose Receive returns messages although its ctx has ended.
type tardy struct{ *tenantstest.Queue }

func (q tardy) Receive(ctx context.Context, most int, _ time.Duration) ([]tenants.Received, error) {
	<-ctx.Done()
	return q.Queue.Receive(context.WithoutCancel(ctx), most, 0)
}

// A message that is received as ctx ends is visible again at once.
func TestMessageReceivedAtTheEndIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ep := rig.EndpointOf("a")
		p := rig.NewPost(t, func(string, string, int) (tenants.Answer, time.Duration) { return rig.Status(200), 0 }, ep)
		p.Outbox.Ready = tardy{p.Ready}
		stop := p.Run(4)
		p.Publish("orders", "e", 1)
		time.Sleep(time.Second)
		if took := rig.Ending(stop); took > 0 {
			t.Errorf("Run ended after %v, want at once", took)
		}
		rs, err := p.Ready.Receive(context.Background(), 10, 0)
		if err != nil || len(rs) != 1 || rs[0].Receives != 2 || len(p.Receivers.Of(ep.ID)) != 0 {
			t.Errorf("got %+v, %v and %d requests, want one message, received twice, and none", rs,
				err, len(p.Receivers.Of(ep.ID)))
		}
	})
}

// mute is a queue whose Receive fails until a given time.
type mute struct {
	*tenantstest.Queue
	asked atomic.Int32
	until time.Time
}

func (q *mute) Receive(ctx context.Context, most int, wait time.Duration) ([]tenants.Received, error) {
	if time.Now().Before(q.until) {
		q.asked.Add(1)
		return nil, tenants.Errorf(tenants.Unavailable, "down", "the queue is down")
	}
	return q.Queue.Receive(ctx, most, wait)
}

// Receive is tried again after growing delays while it fails, and work goes on once it succeeds.
func TestReceivesThatFailAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ep := rig.EndpointOf("a")
		p := rig.NewPost(t, func(string, string, int) (tenants.Answer, time.Duration) { return rig.Status(200), 0 }, ep)
		ready := &mute{Queue: p.Ready, until: time.Now().Add(10 * time.Minute)}
		p.Outbox.Ready = ready
		stop := p.Run(4)
		p.Publish("orders", "e", 3)
		time.Sleep(11 * time.Minute)
		stop()
		if n := ready.asked.Load(); n < 10 || n > 60 {
			t.Errorf("failed receives in ten minutes: got %d, want 10 to 60", n)
		}
		if n := len(p.Receivers.Of(ep.ID)); n != 3 {
			t.Errorf("requests afterwards: got %d, want 3", n)
		}
	})
}
