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
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

func numbered(name string, n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("%s-%d", name, i))
	}
	return list
}

// An ordered endpoint that is enabled again receives the events that came meanwhile, each once, without another event
// in any channel: of known and new channels, of more than one page of channels, and only of its own.
func TestOrderedEndpointGoesOnOnceItIsEnabled(t *testing.T) {
	for name, away := range map[string]time.Duration{"within a pause": 5 * time.Minute,
		"after all pauses": 20 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const quiet = 230
				channels := []string{"orders", "news"}
				for i := range quiet {
					channels = append(channels, fmt.Sprint("quiet-", i))
				}
				ep := rig.EndpointOf("a", ordered, func(e *endpoint.Endpoint) {
					e.Channels, e.Schedule = channels, []time.Duration{time.Minute}
				})
				p := rig.NewPost(t, rig.Always(200, 0), ep)
				stop := p.Run(8)
				p.Publish("orders", "o", 1)
				time.Sleep(time.Second)
				off := ep
				off.State = endpoint.Disabled
				time.Sleep(6 * time.Second)
				p.Publish("orders", "o", 3) // dispatched when the endpoint is disabled
				p.Book.Set(off)
				time.Sleep(6 * time.Second)
				p.Publish("orders", "o", 5)
				p.Publish("news", "n", 4)
				p.Publish("others", "x", 4)
				for i := range quiet {
					p.Publish(fmt.Sprint("quiet-", i), fmt.Sprint("q", i), 1)
				}
				time.Sleep(away)
				p.Book.Set(ep)
				d, ctx := delivery.NewDeliveries(p.Outbox), context.Background()
				for range 2 { // a person clicks twice
					if err := d.Resume(ctx, ep); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Minute)
				if got := p.Sent(ep, "o"); !slices.Equal(got, numbered("o", 5)) {
					t.Errorf("known channel: got %q, want %q", got, numbered("o", 5))
				}
				if got := p.Sent(ep, "n"); !slices.Equal(got, numbered("n", 4)) {
					t.Errorf("new channel: got %q, want %q", got, numbered("n", 4))
				}
				for i := range quiet {
					if got := p.Sent(ep, fmt.Sprint("q", i)); len(got) != 1 {
						t.Errorf("quiet channel %d: got %q, want one event", i, got)
					}
				}
				if got := len(p.Receivers.Of(ep.ID)); got != 5+4+quiet {
					t.Errorf("got %d requests, want %d", got, 5+4+quiet)
				}
				time.Sleep(time.Hour)
				stop()
				if n := p.Ready.Len() + p.Waiting.Len(); n != 0 {
					t.Errorf("messages left: got %d, want none", n)
				}
			})
		})
	}
}

// A failed event keeps waiting for its next attempt when its endpoint is enabled.
func TestOrderedHeadKeepsItsScheduleWhenEnabled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ep := rig.EndpointOf("a", ordered, func(e *endpoint.Endpoint) {
			e.Schedule = []time.Duration{time.Hour, time.Hour}
		})
		p := rig.NewPost(t, func(_, _ string, n int) (tenants.Answer, time.Duration) {
			return rig.Status(500 - 300*min(n-1, 1)), 0
		}, ep)
		stop := p.Run(8)
		p.Publish("orders", "e", 2)
		time.Sleep(time.Minute)
		if err := delivery.NewDeliveries(p.Outbox).Resume(context.Background(), ep); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n := len(p.Receivers.Of(ep.ID)); n != 1 {
			t.Errorf("requests in two minutes: got %d, want 1", n)
		}
		time.Sleep(3 * time.Hour)
		stop()
		if got := p.Sent(ep, "e"); !slices.Equal(got, numbered("e", 2)) || p.Ready.Len()+p.Waiting.Len() != 0 {
			t.Errorf("got %q and %d messages left, want %q and none", got, p.Ready.Len()+p.Waiting.Len(),
				numbered("e", 2))
		}
	})
}

func TestResumeIsForOrderedEndpointsThatAreEnabled(t *testing.T) {
	p := rig.NewPost(t, nil)
	d := delivery.NewDeliveries(p.Outbox)
	for want, ep := range []endpoint.Endpoint{
		rig.EndpointOf("plain"), rig.EndpointOf("on", ordered),
		rig.EndpointOf("off", ordered, func(e *endpoint.Endpoint) {
			e.State = endpoint.Pending
		}),
	} {
		if err := d.Resume(t.Context(), ep); err != nil {
			t.Fatal(err)
		}
		if n := p.Waiting.Len(); n != min(want, 1) {
			t.Errorf("%s: got %d messages, want %d", ep.Name, n, min(want, 1))
		}
	}
	p.Waiting.Turn(tenantstest.Faults{Lost: 1})
	if err := d.Resume(t.Context(), rig.EndpointOf("on", ordered)); tenants.KindOf(err) != tenants.Unavailable {
		t.Errorf("failing queue: got %v, want an error of kind Unavailable", err)
	}
}

// A replay to an ordered endpoint is sent by sequence number, a channel's events one after the other. It neither delays
// new events nor waits for failed ones.
func TestReplayToOrderedEndpointIsByNumberAndHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ep := rig.EndpointOf("a", ordered)
		second := tenants.DerivedID(tenants.PrefixEvent, "e-2")
		p := rig.NewPost(t, func(_, event string, n int) (tenants.Answer, time.Duration) {
			if event == second && n == 2 {
				return rig.Status(500), 100 * time.Millisecond
			}
			return rig.Status(200), 100 * time.Millisecond
		}, ep)
		stop := p.Run(8)
		p.Publish("orders", "e", 20)
		time.Sleep(10 * time.Second)
		begun := time.Now()
		if _, err := delivery.NewDeliveries(p.Outbox).StartReplay(context.Background(), rig.LogTenant,
			delivery.ReplaySpec{
				Do: delivery.ReplayEvents, Endpoint: ep.ID, Since: begun.Add(-time.Hour),
			}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		p.Publish("orders", "new", 1)
		time.Sleep(time.Hour)
		stop()
		var again []string
		for _, r := range p.Receivers.Of(ep.ID)[20:] {
			if r.Data != "new-0" {
				again = append(again, r.Data)
			} else if late := r.Done.Sub(begun); late > 5*time.Second {
				t.Errorf("the new event came after %v, want 5 s at most", late)
			}
		}
		want := append(numbered("e", 20), "e-2")
		if !slices.Equal(again, want) {
			t.Errorf("replayed %q, want %q", again, want)
		}
		if n := p.Receivers.Most[ep.ID]; n != 1 {
			t.Errorf("requests at once: got %d, want 1", n)
		}
	})
}
