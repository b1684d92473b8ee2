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

// A failed head holds those behind it, in its channel and in no other; and nothing is queued for each of them.
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
			t.Errorf("%d requests while the head waits", n)
		}
		if n := p.Ready.Len() + p.Waiting.Len(); n > 1 {
			t.Errorf("%d messages are queued while the head waits", n)
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
			t.Errorf("delivered %q", got)
		}
		if p.Ready.Len()+p.Waiting.Len() != 0 {
			t.Errorf("%d ready and %d waiting messages are left", p.Ready.Len(), p.Waiting.Len())
		}
	})
}

// A canceled head lets the next one pass at once, and a retried one does not wait for its time.
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
			t.Fatalf("deliveries %+v", head)
		}
		if x := rig.Ok(d.Cancel(ctx, rig.LogTenant, head[0].ID))(t); x.State != delivery.Canceled {
			t.Errorf("canceled: %+v", x)
		}
		_, err := d.Cancel(ctx, rig.LogTenant, head[0].ID)
		rig.WantError(t, err, tenants.Conflict, "delivery_ended")
		time.Sleep(time.Second)
		second := p.All(ep.ID)
		if len(second) != 2 {
			t.Fatalf("behind the canceled one: %+v", second)
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
			t.Errorf("%d delivered of two", delivered)
		}
	})
}

// Suspension and disabling put deliveries off; an endpoint or a tenant that is gone ends them, and the queues run
// empty.
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
				p := rig.NewPost(t, func(string, string, int) (tenants.Answer, time.Duration) {
					return rig.Status(500), 0
				}, plain, inOrder)
				stop := p.Run(4)
				p.Publish("orders", "e", 50)
				time.Sleep(10 * time.Minute)
				n := len(p.Receivers.Of(plain.ID)) + len(p.Receivers.Of(inOrder.ID))
				if n == 0 {
					t.Fatal("nothing was sent")
				}
				end(p, plain)
				end(p, inOrder)
				time.Sleep(6 * time.Second) // what was read of the endpoint is no older than 5 s
				n = len(p.Receivers.Of(plain.ID)) + len(p.Receivers.Of(inOrder.ID))
				time.Sleep(2 * 24 * time.Hour)
				stop()
				if later := len(p.Receivers.Of(plain.ID)) + len(p.Receivers.Of(inOrder.ID)); later != n {
					t.Errorf("%d requests after the end", later-n)
				}
				if p.Ready.Len()+p.Waiting.Len() != 0 {
					t.Errorf("%d ready and %d waiting messages are left", p.Ready.Len(), p.Waiting.Len())
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
				p := rig.NewPost(t, func(string, string, int) (tenants.Answer, time.Duration) {
					return rig.Status(200), 0
				}, ep)
				p.Limits.Set(rig.LogTenant, tenants.Errorf(tenants.Forbidden, "tenant_suspended", "suspended"))
				stop := p.Run(4)
				p.Publish("orders", "e", 10)
				time.Sleep(24 * time.Hour)
				if n := len(p.Receivers.Of(ep.ID)); n != 0 {
					t.Errorf("%d requests while suspended", n)
				}
				p.Limits.Set(rig.LogTenant, nil)
				time.Sleep(time.Hour)
				stop()
				if n := len(p.Receivers.Of(ep.ID)); n != 10 {
					t.Errorf("%d requests once resumed", n)
				}
			})
		})
	}
}

func TestEventBeforeItsEndpointIsNotItsOwn(t *testing.T) {
	for _, change := range []func(*endpoint.Endpoint){func(*endpoint.Endpoint) {}, ordered} {
		synctest.Test(t, func(t *testing.T) {
			p := rig.NewPost(t, func(string, string, int) (tenants.Answer, time.Duration) { return rig.Status(200), 0 })
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
					t.Errorf("was sent %s", r.Data)
				}
			}
			if len(rs) != 5 {
				t.Errorf("%d requests", len(rs))
			}
		})
	}
}
