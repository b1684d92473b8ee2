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

func ordered(e *endpoint.Endpoint) { e.Ordered = true }

// A failed event holds the later ones of its channel, not of others, and none of them has a message.
func TestOrderedEndpointWaitsForItsHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ep := rig.EndpointOf("a", ordered)
		p := rig.NewPost(t, func(_, event string, n int) (tenants.Answer, time.Duration) {
			if event == tenants.DerivedID(tenants.PrefixEvent, "e-2") && n < 4 {
				return rig.Status(500), 0
			}
			return rig.Status(200), 0
		}, ep)
		stop := p.Run(8)
		var want []string
		for i := range 20 {
			p.Publish("orders", "e", 3+i)
			want = append(want, fmt.Sprintf("e-%d", i))
			time.Sleep(time.Second)
		}
		p.Publish("others", "f", 5)
		time.Sleep(10 * time.Second)
		if n := len(p.Receivers.Of(ep.ID)); n < 7 || n > 10 {
			t.Errorf("requests while the event waits: got %d, want 7 to 10", n)
		}
		if n := p.Ready.Len() + p.Waiting.Len(); n > 1 {
			t.Errorf("messages while the event waits: got %d, want 1 at most", n)
		}
		time.Sleep(4 * time.Hour)
		stop()
		var got []string
		for _, r := range p.Receivers.Of(ep.ID) {
			if r.Accepted && r.Data[0] == 'e' {
				got = append(got, r.Data)
			}
		}
		if !slices.Equal(got[:len(want)], want) || len(got) != 22 {
			t.Errorf("delivered %q, want %q and two more", got, want)
		}
		if p.Ready.Len()+p.Waiting.Len() != 0 {
			t.Errorf("got %d ready and %d waiting messages, want none", p.Ready.Len(), p.Waiting.Len())
		}
	})
}

// After the first event is canceled the next one is sent at once, and a retry does not wait until it is due.
func TestOrderedHeadIsCanceledAndRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ep := rig.EndpointOf("a", ordered, func(e *endpoint.Endpoint) {
			e.Schedule = []time.Duration{time.Hour, time.Hour}
		})
		broken := true
		p := rig.NewPost(t, func(_, event string, n int) (tenants.Answer, time.Duration) {
			if broken {
				return rig.Status(500), 0
			}
			return rig.Status(200), 0
		}, ep)
		d, ctx := delivery.NewDeliveries(p.Outbox), context.Background()
		stop := p.Run(8)
		p.Publish("orders", "e", 3)
		time.Sleep(time.Second)
		head := p.All(ep.ID)
		if len(head) != 1 || head[0].State != delivery.Pending {
			t.Fatalf("got %+v, want one pending delivery", head)
		}
		if x := rig.Ok(d.Cancel(ctx, rig.LogTenant, head[0].ID))(t); x.State != delivery.Canceled {
			t.Errorf("got %+v, want it canceled", x)
		}
		_, err := d.Cancel(ctx, rig.LogTenant, head[0].ID)
		rig.WantError(t, err, tenants.Conflict, "delivery_ended")
		time.Sleep(time.Second)
		second := p.All(ep.ID)
		if len(second) != 2 {
			t.Fatalf("after the cancellation: got %+v, want two deliveries", second)
		}
		broken = false
		for _, x := range second {
			if x.State == delivery.Pending {
				rig.Ok(d.Retry(ctx, rig.LogTenant, x.ID))(t)
			}
		}
		time.Sleep(time.Second)
		stop()
		delivered := 0
		for _, x := range p.All(ep.ID) {
			if x.State == delivery.Delivered {
				delivered++
				_, err := d.Retry(ctx, rig.LogTenant, x.ID)
				rig.WantError(t, err, tenants.Conflict, "delivery_done")
			}
		}
		if delivered != 2 {
			t.Errorf("delivered: got %d, want 2", delivered)
		}
	})
}

// Deliveries of a deleted endpoint or tenant end, and the queues run empty.
func TestAttackDeletedTenantsQueueRunsEmpty(t *testing.T) {
	for name, end := range map[string]func(*rig.Post, endpoint.Endpoint){
		"endpoint": func(p *rig.Post, ep endpoint.Endpoint) { p.Book.Remove(ep.ID) },
		"tenant": func(p *rig.Post, _ endpoint.Endpoint) {
			p.Limits.Set(rig.LogTenant, tenants.Errorf(tenants.NotFound, "tenant_not_found", "gone"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				plain, inOrder := rig.EndpointOf("a"), rig.EndpointOf("b", ordered)
				p := rig.NewPost(t, rig.Always(500, 0), plain, inOrder)
				stop := p.Run(4)
				p.Publish("orders", "e", 50)
				time.Sleep(10 * time.Minute)
				n := len(p.Receivers.Of(plain.ID)) + len(p.Receivers.Of(inOrder.ID))
				if n == 0 {
					t.Fatal("got no request before the end, want some")
				}
				end(p, plain)
				end(p, inOrder)
				time.Sleep(6 * time.Second) // endpoints are cached for 5 s
				n = len(p.Receivers.Of(plain.ID)) + len(p.Receivers.Of(inOrder.ID))
				time.Sleep(2 * 24 * time.Hour)
				stop()
				if later := len(p.Receivers.Of(plain.ID)) + len(p.Receivers.Of(inOrder.ID)); later != n {
					t.Errorf("requests after the end: got %d, want none", later-n)
				}
				if p.Ready.Len()+p.Waiting.Len() != 0 {
					t.Errorf("got %d ready and %d waiting messages, want none", p.Ready.Len(), p.Waiting.Len())
				}
			})
		})
	}
}

func TestSuspendedTenantsDeliveriesWait(t *testing.T) {
	for name, ep := range map[string]endpoint.Endpoint{"plain": rig.EndpointOf("a"),
		"ordered": rig.EndpointOf("a", ordered)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ep.Created = time.Now().UTC()
				p := rig.NewPost(t, rig.Always(200, 0), ep)
				p.Limits.Set(rig.LogTenant, tenants.Errorf(tenants.Forbidden, "tenant_suspended", "suspended"))
				stop := p.Run(4)
				p.Publish("orders", "e", 10)
				time.Sleep(24 * time.Hour)
				if n := len(p.Receivers.Of(ep.ID)); n != 0 {
					t.Errorf("requests while suspended: got %d, want none", n)
				}
				p.Limits.Set(rig.LogTenant, nil)
				time.Sleep(time.Hour)
				stop()
				if n := len(p.Receivers.Of(ep.ID)); n != 10 {
					t.Errorf("requests after the suspension: got %d, want 10", n)
				}
			})
		})
	}
}

func TestEventBeforeItsEndpointIsNotItsOwn(t *testing.T) {
	for _, change := range []func(*endpoint.Endpoint){func(*endpoint.Endpoint) {}, ordered} {
		synctest.Test(t, func(t *testing.T) {
			p := rig.NewPost(t, rig.Always(200, 0))
			p.Publish("orders", "before", 5)
			time.Sleep(time.Second)
			ep := rig.EndpointOf("a", change)
			p.Book.Set(ep)
			p.Publish("orders", "after", 5)
			stop := p.Run(8)
			time.Sleep(time.Minute)
			stop()
			rs := p.Receivers.Of(ep.ID)
			for _, r := range rs {
				if r.Data[0] != 'a' {
					t.Errorf("got %s, want none of the events before the endpoint", r.Data)
				}
			}
			if len(rs) != 5 {
				t.Errorf("got %d requests, want 5", len(rs))
			}
		})
	}
}
