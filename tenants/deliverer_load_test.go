package tenants_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// One slow endpoint does not delay the others, its tenant's or another's; nor does it once its backlog is long.
func TestSlowEndpointDelaysNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow, quick, other := endpointOf("slow"), endpointOf("quick"), endpointOf("other", ordered)
		p := newPost(t, func(endpoint, _ string, _ int) (tenants.Answer, time.Duration) {
			if endpoint == slow.ID {
				return status(200), 14 * time.Second
			}
			return status(200), 10 * time.Millisecond
		}, slow, quick, other)
		stop := p.run(16)
		begun := make(map[string]time.Time)
		for i := range 300 {
			for _, e := range p.publish("orders", fmt.Sprint("e", i), 1) {
				begun[e.ID] = time.Now()
			}
			time.Sleep(time.Second)
		}
		if n := p.ready.Len(); n > 250 {
			t.Errorf("%d messages crowd the queue of what is ready", n)
		}
		time.Sleep(time.Hour)
		stop()
		for _, ep := range []tenants.Endpoint{quick, other} {
			rs := p.receivers.of(ep.ID)
			if len(rs) != 300 {
				t.Errorf("%s: %d requests", ep.Name, len(rs))
			}
			for _, r := range rs {
				if late := r.at.Sub(begun[r.event]); late > 3*time.Second {
					t.Errorf("%s got %s %v late", ep.Name, r.data, late)
				}
			}
		}
		if n := len(p.receivers.of(slow.ID)); n != 300 || p.receivers.most[slow.ID] != tenants.DefaultConcurrency {
			t.Errorf("the slow one: %d requests, %d at once", n, p.receivers.most[slow.ID])
		}
	})
}

// Attack 57: what fails together does not come again together, and an endpoint that answers nothing is left alone but for a probe.
func TestAttackRetryStormIsSpreadAndBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ep := endpointOf("a", func(e *tenants.Endpoint) { e.Concurrency = 64 })
		begin := time.Now()
		p := newPost(t, func(string, string, int) (tenants.Answer, time.Duration) {
			if time.Since(begin) < 6*time.Hour {
				return status(503), 10 * time.Millisecond
			}
			return status(200), 10 * time.Millisecond
		}, ep)
		stop := p.run(64)
		for i := range 10 {
			p.publish("orders", fmt.Sprint("e", i), 100)
		}
		time.Sleep(6 * time.Hour)
		failed := len(p.receivers.of(ep.ID))
		if failed < 8 || failed > 8+64+6*60 {
			t.Errorf("%d attempts in six hours at an endpoint that takes nothing", failed)
		}
		time.Sleep(24 * time.Hour)
		stop()
		rs := p.receivers.of(ep.ID)
		perSecond := make(map[int64]int)
		for _, r := range rs[failed:] {
			perSecond[r.at.Unix()]++
		}
		for at, n := range perSecond {
			if n > 64 {
				t.Errorf("%d attempts in the second %d", n, at)
			}
		}
		for _, d := range p.all(ep.ID) {
			if d.State != tenants.DeliveryDelivered {
				t.Errorf("%s is %s after %d attempts", d.ID, d.State, d.Attempts)
				break
			}
		}
		if n := len(p.all(ep.ID)); n != 1000 {
			t.Errorf("%d deliveries", n)
		}
	})
}

// A rate holds over several processes, and nothing is lost by it.
func TestEndpointsRateHoldsOverProcesses(t *testing.T) {
	for _, rate := range []int{1, 5, 50} {
		synctest.Test(t, func(t *testing.T) {
			ep := endpointOf("a", func(e *tenants.Endpoint) { e.PerSecond = rate })
			p := newPost(t, func(string, string, int) (tenants.Answer, time.Duration) { return status(200), time.Millisecond }, ep)
			second := tenants.NewDeliverer(p.outbox, p.receivers)
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan struct{})
			go func() {
				second.Run(ctx, 8)
				close(ended)
			}()
			stop := p.run(8)
			for i := range 3 {
				p.publish("orders", fmt.Sprint("e", i), 50)
			}
			time.Sleep(10 * time.Minute)
			stop()
			cancel()
			<-ended
			rs := p.receivers.of(ep.ID)
			if len(rs) != 150 {
				t.Fatalf("%d requests at %d per second", len(rs), rate)
			}
			for i, r := range rs {
				in := 0
				for _, other := range rs[i:] {
					if other.at.Sub(r.at) < time.Second {
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
		ep := endpointOf("a")
		begin := time.Now()
		p := newPost(t, func(string, string, int) (tenants.Answer, time.Duration) {
			if time.Since(begin) < 2*time.Minute {
				return tenants.Answer{Status: 429, Connected: true, RetryAfter: 2 * time.Minute}, 0
			}
			return status(200), 0
		}, ep)
		stop := p.run(4)
		p.publish("orders", "e", 1)
		time.Sleep(time.Second)
		p.publish("orders", "f", 100)
		time.Sleep(time.Minute)
		if n := len(p.receivers.of(ep.ID)); n != 1 {
			t.Errorf("%d requests while it asked to be left alone", n)
		}
		time.Sleep(time.Hour)
		stop()
		if n := len(p.receivers.of(ep.ID)); n != 102 {
			t.Errorf("%d requests", n)
		}
	})
}

// Attack 59: a message that is none comes so often, and is dead; it stops nobody.
func TestAttackPoisonMessageEndsAmongDeadLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ep := endpointOf("a")
		p := newPost(t, func(string, string, int) (tenants.Answer, time.Duration) { return status(200), 0 }, ep)
		p.poisonable()
		for _, q := range []tenants.Queue{p.outbox.Ready, p.outbox.Waiting} {
			m := tenants.Message{Body: []byte("no errand")}
			if q == p.outbox.Ready {
				m.Group = ep.ID + "/0"
			}
			if err := q.Send(context.Background(), m); err != nil {
				t.Fatal(err)
			}
		}
		stop := p.run(4)
		p.publish("orders", "e", 20)
		time.Sleep(time.Hour)
		stop()
		if n := len(p.receivers.of(ep.ID)); n != 20 {
			t.Errorf("%d of 20 delivered", n)
		}
		if p.ready.Len()+p.waiting.Len() != 0 || p.ready.DeadLetters().Len() != 1 || p.waiting.DeadLetters().Len() != 1 {
			t.Errorf("left %d and %d, dead %d and %d", p.ready.Len(), p.waiting.Len(), p.ready.DeadLetters().Len(), p.waiting.DeadLetters().Len())
		}
	})
}

// Attack 61: changes that come twice, in any order, make one delivery each.
func TestAttackFeedRepeatsAndTurnsItsChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plain, inOrder := endpointOf("a"), endpointOf("b", ordered)
		p := newPost(t, func(string, string, int) (tenants.Answer, time.Duration) { return status(200), 0 }, plain, inOrder)
		stored := p.publish("orders", "e", 40)
		var changes []tenants.Change
		for _, e := range stored {
			row := tenants.Row{Key: tenants.Key{Tenant: logTenant, Kind: "log/orders", Sort: fmt.Sprintf("%019d", e.Seq)}, Version: 1, Body: tenants.EncodeEvent(e)}
			changes = append([]tenants.Change{{Row: row}}, changes...)
		}
		changes = append(changes, tenants.Change{Row: tenants.Row{Key: tenants.Key{Tenant: logTenant, Kind: "log/orders", Sort: "x"}, Body: []byte("no event")}})
		stop := p.run(16)
		for range 3 {
			if failed, err := tenants.NewDispatcher(p.outbox).Dispatch(context.Background(), changes); err != nil || len(failed) > 0 {
				t.Fatal(failed, err)
			}
			time.Sleep(6 * time.Minute) // longer than the queue knows a repeat
		}
		stop()
		for _, ep := range []tenants.Endpoint{plain, inOrder} {
			if n := len(p.receivers.of(ep.ID)); n != 40 {
				t.Errorf("%d requests for 40 events", n)
			}
		}
		for i, r := range p.receivers.of(inOrder.ID) {
			if r.data != fmt.Sprintf("e-%d", i) {
				t.Fatalf("the %d-th is %s", i, r.data)
			}
		}
	})
}
