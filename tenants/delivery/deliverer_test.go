package delivery_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/delivery"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

func TestDeliveryFailsAndSucceedsLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ep := rig.EndpointOf("a")
		p := rig.NewPost(t, func(_, _ string, n int) (tenants.Answer, time.Duration) {
			if n == 1 {
				return rig.Status(500), 20 * time.Millisecond
			}
			return tenants.Answer{Status: 201, Connected: true, Body: []byte("taken")}, 20 * time.Millisecond
		}, ep)
		stop := p.Run(4)
		e := p.Publish("orders", "e", 1)[0]
		time.Sleep(10 * time.Second)
		stop()
		rs := p.Receivers.Of(ep.ID)
		if len(rs) != 2 || rs[0].Message != rs[1].Message || !rs[1].Accepted || rs[1].Data != "e-0" {
			t.Fatalf("got %+v, want two requests under one id, the second accepted", rs)
		}
		if wait := rs[1].At.Sub(rs[0].Done); wait < 4*time.Second || wait > 7*time.Second {
			t.Errorf("time between the attempts: got %v, want 4 s to 7 s", wait)
		}
		list := p.All(ep.ID)
		if len(list) != 1 {
			t.Fatalf("got %d deliveries, want 1", len(list))
		}
		d := list[0]
		if d.ID != rs[0].Message || d.State != delivery.Delivered || d.Event != e.ID || d.Attempts != 2 ||
			len(d.History) != 2 ||
			d.History[0].Status != 500 || d.History[1].Status != 201 || string(d.History[1].Body) != "taken" ||
			d.History[1].Number != 2 {
			t.Errorf("got %+v, want it delivered by the second of two attempts", d)
		}
		if got, err := delivery.NewDeliveries(p.Outbox).Get(context.Background(), rig.LogTenant, d.ID); err != nil ||
			got.ID != d.ID {
			t.Errorf("Get: got %v, %v, want %v", got.ID, err, d.ID)
		}
		if p.Ready.Len()+p.Waiting.Len() != 0 {
			t.Errorf("got %d ready and %d waiting messages, want none", p.Ready.Len(), p.Waiting.Len())
		}
	})
}

// A delivery whose first attempt succeeds costs one request and one write.
func TestHappyDeliveryCostsOneWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ep := rig.EndpointOf("a")
		p := rig.NewPost(t, rig.Always(200, 0), ep)
		p.Publish("orders", "e", 10)
		writes, sends := p.Table.Count("Write")+p.Table.Count("WriteEach"), p.Ready.Count("Send")
		stop := p.Run(16)
		time.Sleep(time.Second)
		stop()
		if n := p.Table.Count("Write") + p.Table.Count("WriteEach") - writes; n != 10 ||
			len(p.Receivers.Of(ep.ID)) != 10 {
			t.Errorf("got %d writes and %d requests, want 10 of each", n, len(p.Receivers.Of(ep.ID)))
		}
		if n := p.Ready.Count("Send") - sends; n != 1 {
			t.Errorf("sends for one batch: got %d, want 1", n)
		}
	})
}

func TestDeliveryDiesWithItsHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ep := rig.EndpointOf("a", func(e *endpoint.Endpoint) {
			e.Schedule = []time.Duration{time.Second, 2 * time.Second}
		})
		fails := true
		p := rig.NewPost(t, func(string, string, int) (tenants.Answer, time.Duration) {
			if fails {
				return tenants.Answer{Status: 302, Connected: true,
					Header: map[string][]string{"Location": {"http://169.254.169.254/"}}}, 0
			}
			return rig.Status(204), 0
		}, ep)
		ctx, d := context.Background(), delivery.NewDeliveries(p.Outbox)
		stop := p.Run(4)
		p.Publish("orders", "e", 1)
		time.Sleep(time.Minute)
		dead, _, err := d.Dead(ctx, rig.LogTenant, "", "", 10)
		if err != nil || len(dead) != 1 || dead[0].Attempts != 3 || len(dead[0].History) != 3 ||
			dead[0].Reason != delivery.ReasonExhausted {
			t.Fatalf("Dead: got %+v, %v, want one delivery after three attempts", dead, err)
		}
		fails = false
		r, err := d.StartReplay(ctx, rig.LogTenant, delivery.ReplaySpec{Do: delivery.ReplayDead, Endpoint: ep.ID})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		stop()
		if got := rig.Ok(d.Get(ctx, rig.LogTenant, dead[0].ID))(t); got.State != delivery.Delivered ||
			got.Attempts != 4 || len(got.History) != 4 {
			t.Errorf("redriven delivery: got %+v, want it delivered by the fourth attempt", got)
		}
		if dead, _, _ := d.Dead(ctx, rig.LogTenant, "", "", 10); len(dead) != 0 {
			t.Errorf("dead letters after the redrive: got %+v, want none", dead)
		}
		if r = rig.Ok(d.GetReplay(ctx, rig.LogTenant, r.ID))(t); r.State != delivery.ReplayDone || r.Sent != 1 {
			t.Errorf("replay: got %+v, want it done after one event", r)
		}
	})
}

// Attack 58: an endpoint's answer can neither cause attempts without end nor stop them for years.
func TestAttackRetryAfterIsClampedAnd410Disables(t *testing.T) {
	for name, c := range map[string]struct {
		answer tenants.Answer
		least  time.Duration
		most   time.Duration
	}{
		"ten years": {tenants.Answer{Status: 503, Connected: true, RetryAfter: 87600 * time.Hour}, 24 * time.Hour,
			24*time.Hour + time.Minute},
		"negative": {tenants.Answer{Status: 503, Connected: true, RetryAfter: -time.Hour}, 4 * time.Second,
			7 * time.Second},
		"too soon": {tenants.Answer{Status: 503, Connected: true, RetryAfter: time.Second}, 4 * time.Second,
			7 * time.Second},
		"an hour": {tenants.Answer{Status: 503, Connected: true, RetryAfter: time.Hour}, time.Hour,
			time.Hour + time.Minute},
		"429 a year": {tenants.Answer{Status: 429, Connected: true, RetryAfter: 8760 * time.Hour}, 24 * time.Hour,
			24*time.Hour + time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ep := rig.EndpointOf("a")
				p := rig.NewPost(t, func(_, _ string, n int) (tenants.Answer, time.Duration) {
					if n == 1 {
						return c.answer, 0
					}
					return rig.Status(200), 0
				}, ep)
				stop := p.Run(2)
				p.Publish("orders", "e", 1)
				time.Sleep(26 * time.Hour)
				stop()
				rs := p.Receivers.Of(ep.ID)
				if len(rs) != 2 {
					t.Fatalf("got %d requests, want 2", len(rs))
				}
				if wait := rs[1].At.Sub(rs[0].Done); wait < c.least || wait > c.most {
					t.Errorf("time between the attempts: got %v, want %v to %v", wait, c.least, c.most)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ep := rig.EndpointOf("a")
		p := rig.NewPost(t, rig.Always(410, 0), ep)
		stop := p.Run(2)
		p.Publish("orders", "e", 1)
		time.Sleep(time.Minute)
		p.Publish("orders", "later", 1)
		time.Sleep(time.Hour)
		stop()
		if n := len(p.Receivers.Of(ep.ID)); n != 1 || p.Book.State(ep.ID) != endpoint.Disabled {
			t.Errorf("after 410: got %d requests, endpoint %s, want 1, disabled", n, p.Book.State(ep.ID))
		}
		if d := p.All(ep.ID); len(d) != 1 || d[0].State != delivery.Dead || d[0].Reason != delivery.ReasonGone {
			t.Errorf("after 410: got %+v, want one dead delivery", d)
		}
		if told := p.Told(); len(told) != 1 || told[0].Type != delivery.TypeEndpointDisabled ||
			!strings.Contains(string(told[0].Data), ep.ID) {
			t.Errorf("notices: got %+v, want one endpoint.disabled", told)
		}
	})
}

func TestEndpointThatOnlyFailsIsWarnedOfAndDisabled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ep := rig.EndpointOf("a")
		p := rig.NewPost(t, rig.Always(500, 0), ep)
		stop := p.Run(2)
		begin, at := time.Now(), time.Duration(0)
		for i := range 24 * 6 {
			p.Publish("orders", "e"+time.Duration(i).String(), 1)
			time.Sleep(time.Hour)
			if at == 0 && p.Book.State(ep.ID) == endpoint.Disabled {
				at = time.Since(begin)
			}
		}
		stop()
		if at < 5*24*time.Hour || at > 5*24*time.Hour+2*time.Hour {
			t.Errorf("disabled after %v, want five days", at)
		}
		var types []string
		for _, e := range p.Told() {
			types = append(types, e.Type)
		}
		if want := []string{delivery.TypeEndpointFailing, delivery.TypeEndpointFailing, delivery.TypeEndpointFailing,
			delivery.TypeEndpointDisabled}; !slices.Equal(types, want) {
			t.Errorf("notices: got %v, want %v", types, want)
		}
	})
}

func TestConnectionThatFailsAtOnceIsTriedOnceMore(t *testing.T) {
	for name, c := range map[string]struct {
		first   tenants.Answer
		took    time.Duration
		second  bool
		waiting bool
	}{
		"refused at once":       {tenants.Answer{Failure: tenants.FailureConnect}, time.Millisecond, true, false},
		"refused after a while": {tenants.Answer{Failure: tenants.FailureConnect}, 3 * time.Second, false, true},
		"cut when it was connected": {tenants.Answer{Failure: tenants.FailureReset, Connected: true}, time.Millisecond,
			false, true},
		"blocked": {tenants.Answer{Failure: tenants.FailureBlocked}, time.Millisecond, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ep := rig.EndpointOf("a")
				p := rig.NewPost(t, func(_, _ string, n int) (tenants.Answer, time.Duration) {
					if n == 1 {
						return c.first, c.took
					}
					return rig.Status(200), 0
				}, ep)
				stop := p.Run(2)
				p.Publish("orders", "e", 1)
				time.Sleep(3500 * time.Millisecond)
				stop()
				d := p.All(ep.ID)
				if len(d) != 1 || d[0].Attempts != 1 || d[0].History[0].Second != c.second ||
					(d[0].State == delivery.Pending) != c.waiting {
					t.Errorf("got %+v, want one delivery after one attempt; second try: %v, pending: %v", d,
						c.second, c.waiting)
				}
			})
		})
	}
}

// Messages of earlier releases are in the queues when a release starts: their fields and values stay as they are.
func TestMessagesOfEarlierReleasesAreUnderstood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plain, inOrder := rig.EndpointOf("a"), rig.EndpointOf("b", ordered)
		p := rig.NewPost(t, rig.Always(200, 0), plain, inOrder)
		e := p.Publish("orders", "e", 1)[0]
		const common = `"Tenant":%q,"Endpoint":%q,"Channel":"orders","Seq":1,"Began":"2000-01-01T00:00:00Z","Due":%q`
		body := func(do string, ep endpoint.Endpoint, due, more string) []byte {
			return []byte(`{"Do":"` + do + `",` + fmt.Sprintf(common, ep.Tenant, ep.ID, due) + more + `}`)
		}
		delivery := tenants.DerivedID(tenants.PrefixDelivery, "older")
		messages := []tenants.Message{
			{Group: "1", Body: body("send", plain, "0001-01-01T00:00:00Z",
				fmt.Sprintf(`,"Delivery":%q,"Event":%q,"Attempt":1`, delivery, e.ID))},
			{Group: "2", Body: body("pump", inOrder, "0001-01-01T00:00:00Z", "")},
		}
		if err := p.Ready.Send(t.Context(), messages...); err != nil {
			t.Fatal(err)
		}
		waiting := body("send", plain, "2000-01-01T00:00:05Z",
			fmt.Sprintf(`,"Delivery":%q,"Event":%q,"Attempt":1,"Hop":1`, delivery+"2", e.ID))
		if err := p.Waiting.Send(t.Context(), tenants.Message{Body: waiting}); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		p.Deliverer.Run(ctx, 4)
		if a, b := len(p.Receivers.Of(plain.ID)), len(p.Receivers.Of(inOrder.ID)); a != 2 || b != 1 {
			t.Errorf("got %d requests and %d to the ordered endpoint, want 2 and 1", a, b)
		}
	})
}
