package delivery_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/delivery"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

// One slow endpoint does not delay the others, its tenant's or another's; nor does it once its backlog is long.
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
			t.Errorf("%d messages crowd the queue of what is ready", n)
		}
		time.Sleep(time.Hour)
		stop()
		for _, ep := range []endpoint.Endpoint{quick, other} {
			rs := p.Receivers.Of(ep.ID)
			if len(rs) != 300 {
				t.Errorf("%s: %d requests", ep.Name, len(rs))
			}
			for _, r := range rs {
				if late := r.At.Sub(begun[r.Event]); late > 3*time.Second {
					t.Errorf("%s got %s %v late", ep.Name, r.Data, late)
				}
			}
		}
		if n := len(p.Receivers.Of(slow.ID)); n != 300 || p.Receivers.Most[slow.ID] != endpoint.DefaultConcurrency {
			t.Errorf("the slow one: %d requests, %d at once", n, p.Receivers.Most[slow.ID])
		}
	})
}

// Attack 57: what fails together does not come again together, and an endpoint that answers nothing is left alone but
// for a probe.
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
			t.Errorf("%d attempts in six hours at an endpoint that takes nothing", failed)
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
				t.Errorf("%d attempts in the second %d", n, at)
			}
		}
		for _, d := range p.All(ep.ID) {
			if d.State != delivery.Delivered {
				t.Errorf("%s is %s after %d attempts", d.ID, d.State, d.Attempts)
				break
			}
		}
		if n := len(p.All(ep.ID)); n != 1000 {
			t.Errorf("%d deliveries", n)
		}
	})
}

// A rate holds over several processes, and nothing is lost by it.
func TestEndpointsRateHoldsOverProcesses(t *testing.T) {
	for _, rate := range []int{1, 5, 50} {
		synctest.Test(t, func(t *testing.T) {
			ep := rig.EndpointOf("a", func(e *endpoint.Endpoint) { e.PerSecond = rate })
			p := rig.NewPost(t, func(string, string, int) (tenants.Answer, time.Duration) {
				return rig.Status(200), time.Millisecond
			}, ep)
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
				t.Fatalf("%d requests at %d per second", len(rs), rate)
			}
			for i, r := range rs {
				in := 0
				for _, other := range rs[i:] {
					if other.At.Sub(r.At) < time.Second {
						in++
					}
				}
				if in > rate {
					t.Fatalf("%d requests in a second, %d may be", in, rate)
				}
			}
		})
	}
}

// 429 holds the whole endpoint back, not only the delivery that it answers.
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
			t.Errorf("%d requests while it asked to be left alone", n)
		}
		time.Sleep(time.Hour)
		stop()
		if n := len(p.Receivers.Of(ep.ID)); n != 102 {
			t.Errorf("%d requests", n)
		}
	})
}

// Attack 59: a message that is none comes so often, and is dead; it stops nobody.
func TestAttackPoisonMessageEndsAmongDeadLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ep := rig.EndpointOf("a")
		p := rig.NewPost(t, func(string, string, int) (tenants.Answer, time.Duration) { return rig.Status(200), 0 }, ep)
		p.Poisonable()
		for _, q := range []tenants.Queue{p.Outbox.Ready, p.Outbox.Waiting} {
			m := tenants.Message{Body: []byte("no errand")}
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
			t.Errorf("%d of 20 delivered", n)
		}
		if p.Ready.Len()+p.Waiting.Len() != 0 || p.Ready.DeadLetters().Len() != 1 ||
			p.Waiting.DeadLetters().Len() != 1 {
			t.Errorf("left %d and %d, dead %d and %d", p.Ready.Len(), p.Waiting.Len(), p.Ready.DeadLetters().Len(),
				p.Waiting.DeadLetters().Len())
		}
	})
}

// Attack 61: changes that come twice, in any order, make one delivery each.
func TestAttackFeedRepeatsAndTurnsItsChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plain, inOrder := rig.EndpointOf("a"), rig.EndpointOf("b", ordered)
		p := rig.NewPost(t, func(string, string, int) (tenants.Answer, time.Duration) {
			return rig.Status(200), 0
		}, plain, inOrder)
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
				t.Fatal(failed, err)
			}
			time.Sleep(6 * time.Minute) // longer than the queue knows a repeat
		}
		stop()
		for _, ep := range []endpoint.Endpoint{plain, inOrder} {
			if n := len(p.Receivers.Of(ep.ID)); n != 40 {
				t.Errorf("%d requests for 40 events", n)
			}
		}
		for i, r := range p.Receivers.Of(inOrder.ID) {
			if r.Data != fmt.Sprintf("e-%d", i) {
				t.Fatalf("the %d-th is %s", i, r.Data)
			}
		}
	})
}
