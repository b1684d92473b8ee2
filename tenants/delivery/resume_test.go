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

// An ordered endpoint that is enabled again gets what came meanwhile without another event in any channel, and once:
// of channels that it knew and of new ones, of more than one page of them, and of none that are not its own.
func TestOrderedEndpointGoesOnOnceItIsEnabled(t *testing.T) {
	for name, away := range map[string]time.Duration{"within a nap": 5 * time.Minute,
		"behind all naps": 20 * time.Hour} {
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
				p := rig.NewPost(t, func(string, string, int) (tenants.Answer, time.Duration) {
					return rig.Status(200), 0
				}, ep)
				stop := p.Run(8)
				p.Publish("orders", "o", 1)
				time.Sleep(time.Second)
				off := ep
				off.State = endpoint.Disabled
				time.Sleep(6 * time.Second)
				p.Publish("orders", "o", 3) // known when the endpoint goes
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
				for range 2 { // somebody clicks twice
					if err := d.Resume(ctx, ep); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Minute)
				if got := p.Sent(ep, "o"); !slices.Equal(got, numbered("o", 5)) {
					t.Errorf("of the channel that it knew it has %q", got)
				}
				if got := p.Sent(ep, "n"); !slices.Equal(got, numbered("n", 4)) {
					t.Errorf("of the new channel it has %q", got)
				}
				for i := range quiet {
					if got := p.Sent(ep, fmt.Sprint("q", i)); len(got) != 1 {
						t.Errorf("of channel %d it has %q", i, got)
					}
				}
				if got := len(p.Receivers.Of(ep.ID)); got != 5+4+quiet {
					t.Errorf("%d requests", got)
				}
				time.Sleep(time.Hour)
				stop()
				if n := p.Ready.Len() + p.Waiting.Len(); n != 0 {
					t.Errorf("%d messages are left", n)
				}
			})
		})
	}
}

// What has failed and waits for its next attempt goes on waiting: to be enabled is no reason to try it sooner.
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
			t.Errorf("%d requests by then", n)
		}
		time.Sleep(3 * time.Hour)
		stop()
		if got := p.Sent(ep, "e"); !slices.Equal(got, numbered("e", 2)) || p.Ready.Len()+p.Waiting.Len() != 0 {
			t.Errorf("it has %q, and %d messages are left", got, p.Ready.Len()+p.Waiting.Len())
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
			t.Errorf("%s: %d messages", ep.Name, n)
		}
	}
	p.Waiting.Turn(tenantstest.Faults{Lost: 1})
	if err := d.Resume(t.Context(), rig.EndpointOf("on", ordered)); tenants.KindOf(err) != tenants.Unavailable {
		t.Errorf("a queue that takes nothing: %v", err)
	}
}

// A replay is sent to an ordered endpoint by number, a channel's one after the other. It neither holds up what is new
// nor is held up by what fails.
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
				t.Errorf("what is new was there after %v", late)
			}
		}
		want := append(numbered("e", 20), "e-2")
		if !slices.Equal(again, want) {
			t.Errorf("replayed %q", again)
		}
		if n := p.Receivers.Most[ep.ID]; n != 1 {
			t.Errorf("%d at once", n)
		}
	})
}
