package delivery_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/delivery"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

// A slow endpoint, even with a long backlog, does not delay other endpoints of its own tenant or another one.
func TestSlowEndpointDelaysNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow, quick, other := rig.EndpointOf("slow"), rig.EndpointOf("quick"), rig.EndpointOf("other", ordered)
		p := rig.NewPost(t, func(endpoint, _ string, _ int) (tenants.Answer, time.Duration) {
			if endpoint == slow.ID {
				return rig.Status(200), 14 * time.Second
			}
			return rig.Status(200), 10 * time.Millisecond
		}, slow, quick, other)
		stop := p.Run(16)
		begun := make(map[string]time.Time)
		for i := range 300 {
			for _, e := range p.Publish("orders", fmt.Sprint("e", i), 1) {
				begun[e.ID] = time.Now()
			}
			time.Sleep(time.Second)
		}
		if n := p.Ready.Len(); n > 250 {
			t.Errorf("ready messages: got %d, want 250 at most", n)
		}
		time.Sleep(time.Hour)
		stop()
		for _, ep := range []endpoint.Endpoint{quick, other} {
			rs := p.Receivers.Of(ep.ID)
			if len(rs) != 300 {
				t.Errorf("%s: got %d requests, want 300", ep.Name, len(rs))
			}
			for _, r := range rs {
				if late := r.At.Sub(begun[r.Event]); late > 3*time.Second {
					t.Errorf("%s received %s after %v, want 3 s at most", ep.Name, r.Data, late)
				}
			}
		}
		if n := len(p.Receivers.Of(slow.ID)); n != 300 || p.Receivers.Most[slow.ID] != endpoint.DefaultConcurrency {
			t.Errorf("slow endpoint: got %d requests, %d at once, want 300, %d", n, p.Receivers.Most[slow.ID],
				endpoint.DefaultConcurrency)
		}
	})
}

// Attack 57: deliveries that fail together are retried at different times, and an endpoint that fails receives probes
// only.
func TestAttackRetryStormIsSpreadAndBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ep := rig.EndpointOf("a", func(e *endpoint.Endpoint) { e.Concurrency = 64 })
		begin := time.Now()
		p := rig.NewPost(t, func(string, string, int) (tenants.Answer, time.Duration) {
			if time.Since(begin) < 6*time.Hour {
				return rig.Status(503), 10 * time.Millisecond
			}
			return rig.Status(200), 10 * time.Millisecond
		}, ep)
		stop := p.Run(64)
		for i := range 10 {
			p.Publish("orders", fmt.Sprint("e", i), 100)
		}
		time.Sleep(6 * time.Hour)
		failed := len(p.Receivers.Of(ep.ID))
		if failed < 8 || failed > 8+64+6*60 {
			t.Errorf("attempts in six hours of failures: got %d, want 8 to 432", failed)
		}
		time.Sleep(24 * time.Hour)
		stop()
		rs := p.Receivers.Of(ep.ID)
		perSecond := make(map[int64]int)
		for _, r := range rs[failed:] {
			perSecond[r.At.Unix()]++
		}
		for at, n := range perSecond {
			if n > 64 {
				t.Errorf("attempts in the second %d: got %d, want 64 at most", at, n)
			}
		}
		for _, d := range p.All(ep.ID) {
			if d.State != delivery.Delivered {
				t.Errorf("%s is %s after %d attempts, want it delivered", d.ID, d.State, d.Attempts)
				break
			}
		}
		if n := len(p.All(ep.ID)); n != 1000 {
			t.Errorf("got %d deliveries, want 1000", n)
		}
	})
}

// A rate holds over several processes and loses nothing.
func TestEndpointsRateHoldsOverProcesses(t *testing.T) {
	for _, rate := range []int{1, 5, 50} {
		synctest.Test(t, func(t *testing.T) {
			ep := rig.EndpointOf("a", func(e *endpoint.Endpoint) { e.PerSecond = rate })
			p := rig.NewPost(t, rig.Always(200, time.Millisecond), ep)
			second := delivery.NewDeliverer(p.Outbox, p.Receivers)
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan struct{})
			go func() {
				second.Run(ctx, 8)
				close(ended)
			}()
			stop := p.Run(8)
			for i := range 3 {
				p.Publish("orders", fmt.Sprint("e", i), 50)
			}
			time.Sleep(10 * time.Minute)
			stop()
			cancel()
			<-ended
			rs := p.Receivers.Of(ep.ID)
			if len(rs) != 150 {
				t.Fatalf("at %d per second: got %d requests, want 150", rate, len(rs))
			}
			for i, r := range rs {
				in := 0
				for _, other := range rs[i:] {
					if other.At.Sub(r.At) < time.Second {
						in++
					}
				}
				if in > rate {
					t.Fatalf("got %d requests in a second, want %d at most", in, rate)
				}
			}
		})
	}
}

// An answer 429 holds the whole endpoint, not only its delivery.
func TestBusyEndpointIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ep := rig.EndpointOf("a")
		begin := time.Now()
		p := rig.NewPost(t, func(string, string, int) (tenants.Answer, time.Duration) {
			if time.Since(begin) < 2*time.Minute {
				return tenants.Answer{Status: 429, Connected: true, RetryAfter: 2 * time.Minute}, 0
			}
			return rig.Status(200), 0
		}, ep)
		stop := p.Run(4)
		p.Publish("orders", "e", 1)
		time.Sleep(time.Second)
		p.Publish("orders", "f", 100)
		time.Sleep(time.Minute)
		if n := len(p.Receivers.Of(ep.ID)); n != 1 {
			t.Errorf("requests during Retry-After: got %d, want 1", n)
		}
		time.Sleep(time.Hour)
		stop()
		if n := len(p.Receivers.Of(ep.ID)); n != 102 {
			t.Errorf("got %d requests, want 102", n)
		}
	})
}

// Attack 59: a message that cannot be decoded becomes a dead letter and delays no other.
func TestAttackPoisonMessageEndsAmongDeadLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ep := rig.EndpointOf("a")
		p := rig.NewPost(t, rig.Always(200, 0), ep)
		p.Poisonable()
		for _, q := range []tenants.Queue{p.Outbox.Ready, p.Outbox.Waiting} {
			m := tenants.Message{Body: []byte("not a message")}
			if q == p.Outbox.Ready {
				m.Group = ep.ID + "/0"
			}
			if err := q.Send(context.Background(), m); err != nil {
				t.Fatal(err)
			}
		}
		stop := p.Run(4)
		p.Publish("orders", "e", 20)
		time.Sleep(time.Hour)
		stop()
		if n := len(p.Receivers.Of(ep.ID)); n != 20 {
			t.Errorf("got %d requests, want 20", n)
		}
		left, dead := p.Ready.Len()+p.Waiting.Len(), []int{p.Ready.DeadLetters().Len(), p.Waiting.DeadLetters().Len()}
		if left != 0 || !slices.Equal(dead, []int{1, 1}) {
			t.Errorf("got %d messages left and dead letters %v, want 0 and [1 1]", left, dead)
		}
	})
}

// Attack 61: a change that comes repeatedly, in any order, makes one delivery.
func TestAttackFeedRepeatsAndTurnsItsChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plain, inOrder := rig.EndpointOf("a"), rig.EndpointOf("b", ordered)
		p := rig.NewPost(t, rig.Always(200, 0), plain, inOrder)
		stored := p.Publish("orders", "e", 40)
		var changes []tenants.Change
		for _, e := range stored {
			row := tenants.Row{Key: tenants.Key{Tenant: rig.LogTenant, Kind: "log/orders",
				Sort: fmt.Sprintf("%019d", e.Seq)}, Version: 1, Body: tenants.EncodeEvent(e)}
			changes = append([]tenants.Change{{Row: row}}, changes...)
		}
		changes = append(changes, tenants.Change{Row: tenants.Row{Key: tenants.Key{Tenant: rig.LogTenant,
			Kind: "log/orders", Sort: "x"}, Body: []byte("no event")}})
		stop := p.Run(16)
		for range 3 {
			if failed, err := delivery.NewDispatcher(p.Outbox).Dispatch(context.Background(), changes); err != nil ||
				len(failed) > 0 {
				t.Fatalf("Dispatch: got %v, %v, want no failure", failed, err)
			}
			time.Sleep(6 * time.Minute) // longer than the queue knows a repeat
		}
		stop()
		for _, ep := range []endpoint.Endpoint{plain, inOrder} {
			if n := len(p.Receivers.Of(ep.ID)); n != 40 {
				t.Errorf("%s: got %d requests, want 40", ep.Name, n)
			}
		}
		for i, r := range p.Receivers.Of(inOrder.ID) {
			if r.Data != fmt.Sprintf("e-%d", i) {
				t.Fatalf("request %d: got %s, want e-%d", i, r.Data, i)
			}
		}
	})
}
