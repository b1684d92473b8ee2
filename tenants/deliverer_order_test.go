package tenants_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

func ordered(e *tenants.Endpoint) { e.Ordered = true }

// A failed head holds those behind it, in its channel and in no other; and nothing is queued for each of them.
func TestOrderedEndpointWaitsForItsHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ep := endpointOf("a", ordered)
		p := newPost(t, func(_, event string, n int) (tenants.Answer, time.Duration) {
			if event == tenants.DerivedID(tenants.PrefixEvent, "e-2") && n < 4 {
				return status(500), 0
			}
			return status(200), 0
		}, ep)
		stop := p.run(8)
		var want []string
		for i := range 20 {
			p.publish("orders", "e", 3+i)
			want = append(want, fmt.Sprintf("e-%d", i))
			time.Sleep(time.Second)
		}
		p.publish("others", "f", 5)
		time.Sleep(10 * time.Second)
		if n := len(p.receivers.of(ep.ID)); n < 7 || n > 10 {
			t.Errorf("%d requests while the head waits", n)
		}
		if n := p.ready.Len() + p.waiting.Len(); n > 1 {
			t.Errorf("%d messages are queued while the head waits", n)
		}
		time.Sleep(4 * time.Hour)
		stop()
		var got []string
		for _, r := range p.receivers.of(ep.ID) {
			if r.accepted && r.data[0] == 'e' {
				got = append(got, r.data)
			}
		}
		if !slices.Equal(got[:len(want)], want) || len(got) != 22 {
			t.Errorf("delivered %q", got)
		}
		if p.ready.Len()+p.waiting.Len() != 0 {
			t.Errorf("%d ready and %d waiting messages are left", p.ready.Len(), p.waiting.Len())
		}
	})
}

// A canceled head lets the next one pass at once, and a retried one does not wait for its time.
func TestOrderedHeadIsCanceledAndRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ep := endpointOf("a", ordered, func(e *tenants.Endpoint) { e.Schedule = []time.Duration{time.Hour, time.Hour} })
		broken := true
		p := newPost(t, func(_, event string, n int) (tenants.Answer, time.Duration) {
			if broken {
				return status(500), 0
			}
			return status(200), 0
		}, ep)
		d, ctx := tenants.NewDeliveries(p.outbox), context.Background()
		stop := p.run(8)
		p.publish("orders", "e", 3)
		time.Sleep(time.Second)
		head := p.all(ep.ID)
		if len(head) != 1 || head[0].State != tenants.DeliveryPending {
			t.Fatalf("deliveries %+v", head)
		}
		if x := ok(d.Cancel(ctx, logTenant, head[0].ID))(t); x.State != tenants.DeliveryCanceled {
			t.Errorf("canceled: %+v", x)
		}
		_, err := d.Cancel(ctx, logTenant, head[0].ID)
		wantError(t, err, tenants.Conflict, "delivery_ended")
		time.Sleep(time.Second)
		second := p.all(ep.ID)
		if len(second) != 2 {
			t.Fatalf("behind the canceled one: %+v", second)
		}
		broken = false
		for _, x := range second {
			if x.State == tenants.DeliveryPending {
				ok(d.Retry(ctx, logTenant, x.ID))(t)
			}
		}
		time.Sleep(time.Second)
		stop()
		delivered := 0
		for _, x := range p.all(ep.ID) {
			if x.State == tenants.DeliveryDelivered {
				delivered++
				_, err := d.Retry(ctx, logTenant, x.ID)
				wantError(t, err, tenants.Conflict, "delivery_done")
			}
		}
		if delivered != 2 {
			t.Errorf("%d delivered of two", delivered)
		}
	})
}

// Suspension and disabling put deliveries off; an endpoint or a tenant that is gone ends them, and the queues run empty.
func TestAttackDeletedTenantsQueueRunsEmpty(t *testing.T) {
	for name, end := range map[string]func(*post, tenants.Endpoint){
		"endpoint": func(p *post, ep tenants.Endpoint) { p.book.remove(ep.ID) },
		"tenant": func(p *post, _ tenants.Endpoint) {
			p.limits.set(logTenant, tenants.Errorf(tenants.NotFound, "tenant_not_found", "gone"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				plain, inOrder := endpointOf("a"), endpointOf("b", ordered)
				p := newPost(t, func(string, string, int) (tenants.Answer, time.Duration) { return status(500), 0 }, plain, inOrder)
				stop := p.run(4)
				p.publish("orders", "e", 50)
				time.Sleep(10 * time.Minute)
				n := len(p.receivers.of(plain.ID)) + len(p.receivers.of(inOrder.ID))
				if n == 0 {
					t.Fatal("nothing was sent")
				}
				end(p, plain)
				end(p, inOrder)
				time.Sleep(6 * time.Second) // what was read of the endpoint is no older than 5 s
				n = len(p.receivers.of(plain.ID)) + len(p.receivers.of(inOrder.ID))
				time.Sleep(2 * 24 * time.Hour)
				stop()
				if later := len(p.receivers.of(plain.ID)) + len(p.receivers.of(inOrder.ID)); later != n {
					t.Errorf("%d requests after the end", later-n)
				}
				if p.ready.Len()+p.waiting.Len() != 0 {
					t.Errorf("%d ready and %d waiting messages are left", p.ready.Len(), p.waiting.Len())
				}
			})
		})
	}
}

func TestSuspendedTenantsDeliveriesWait(t *testing.T) {
	for name, ep := range map[string]tenants.Endpoint{"plain": endpointOf("a"), "ordered": endpointOf("a", ordered)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ep.Created = time.Now().UTC()
				p := newPost(t, func(string, string, int) (tenants.Answer, time.Duration) { return status(200), 0 }, ep)
				p.limits.set(logTenant, tenants.Errorf(tenants.Forbidden, "tenant_suspended", "suspended"))
				stop := p.run(4)
				p.publish("orders", "e", 10)
				time.Sleep(24 * time.Hour)
				if n := len(p.receivers.of(ep.ID)); n != 0 {
					t.Errorf("%d requests while suspended", n)
				}
				p.limits.set(logTenant, nil)
				time.Sleep(time.Hour)
				stop()
				if n := len(p.receivers.of(ep.ID)); n != 10 {
					t.Errorf("%d requests once resumed", n)
				}
			})
		})
	}
}

func TestEventBeforeItsEndpointIsNotItsOwn(t *testing.T) {
	for _, change := range []func(*tenants.Endpoint){func(*tenants.Endpoint) {}, ordered} {
		synctest.Test(t, func(t *testing.T) {
			p := newPost(t, func(string, string, int) (tenants.Answer, time.Duration) { return status(200), 0 })
			p.publish("orders", "before", 5)
			time.Sleep(time.Second)
			ep := endpointOf("a", change)
			p.book.set(ep)
			p.publish("orders", "after", 5)
			stop := p.run(8)
			time.Sleep(time.Minute)
			stop()
			rs := p.receivers.of(ep.ID)
			for _, r := range rs {
				if r.data[0] != 'a' {
					t.Errorf("was sent %s", r.data)
				}
			}
			if len(rs) != 5 {
				t.Errorf("%d requests", len(rs))
			}
		})
	}
}
