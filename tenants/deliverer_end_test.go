package tenants_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// ending is how long Run takes to return once it is told to.
func ending(stop func()) time.Duration {
	began := time.Now()
	stop()
	return time.Since(began)
}

// An attempt under way when the process is told to end either ends in time, and what came of it is kept, or it is broken off, counts for nothing and is made
// again by the next process, which need not wait for the message's visibility.
func TestAttemptUnderWayAtTheEndIsKeptOrMadeAgain(t *testing.T) {
	for _, inOrder := range []bool{false, true} {
		for name, tt := range map[string]struct {
			answer   tenants.Answer
			took     time.Duration
			ends     time.Duration // Run, after it is told
			state    tenants.DeliveryState
			attempts int // that are on record then
			requests int // in all
			history  []int
		}{
			"it is delivered":               {status(200), 4 * time.Second, 3 * time.Second, tenants.DeliveryDelivered, 1, 1, []int{200}},
			"it fails":                      {status(500), 4 * time.Second, 3 * time.Second, tenants.DeliveryPending, 1, 2, []int{500, 200}},
			"it has no answer":              {status(200), 14 * time.Second, 5 * time.Second, "", 0, 2, []int{200}},
			"it has no answer, and no will": {status(500), 14 * time.Second, 5 * time.Second, "", 0, 2, []int{200}},
		} {
			t.Run(fmt.Sprint(name, ", ordered ", inOrder), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ep := endpointOf("a", func(e *tenants.Endpoint) { e.Ordered = inOrder })
					p := newPost(t, func(_, _ string, n int) (tenants.Answer, time.Duration) {
						if n > 1 {
							return status(200), 0
						}
						return tt.answer, tt.took
					}, ep)
					stop := p.run(4)
					p.publish("orders", "e", 1)
					time.Sleep(time.Second)
					if took := ending(stop); took < tt.ends-time.Second/10 || took > tt.ends {
						t.Errorf("ended after %v, want %v", took, tt.ends)
					}
					list := p.all(ep.ID)
					if tt.state == "" && len(list) != 0 || tt.state != "" && (len(list) != 1 || list[0].State != tt.state || list[0].Attempts != tt.attempts) {
						t.Errorf("on record: %+v", list)
					}
					stop = p.run(4)
					time.Sleep(10 * time.Second)
					stop()
					list = p.all(ep.ID)
					if len(list) != 1 || list[0].State != tenants.DeliveryDelivered || list[0].Attempts != len(tt.history) || len(p.receivers.of(ep.ID)) != tt.requests {
						t.Fatalf("after %d requests: %+v", len(p.receivers.of(ep.ID)), list)
					}
					var history []int
					for _, a := range list[0].History {
						history = append(history, a.Status)
					}
					if !slices.Equal(history, tt.history) {
						t.Errorf("its history is %v, want %v", history, tt.history)
					}
					if n := p.ready.Len() + p.waiting.Len(); n != 0 {
						t.Errorf("%d messages are left", n)
					}
				})
			})
		}
	}
}

// sluggish is a table that takes its time to write.
type sluggish struct {
	tenants.Table
	by time.Duration
}

func (s sluggish) Write(ctx context.Context, ops ...tenants.Op) error {
	select {
	case <-time.After(s.by):
		return s.Table.Write(ctx, ops...)
	case <-ctx.Done():
		return tenants.Errorf(tenants.Unavailable, "cancelled", "%w", ctx.Err())
	}
}

// An answer that comes just before the time is over is recorded behind it.
func TestAnswerAtTheVeryEndIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ep := endpointOf("a")
		p := newPost(t, func(string, string, int) (tenants.Answer, time.Duration) { return status(200), 5900 * time.Millisecond }, ep)
		p.outbox.Table = sluggish{p.table, 2 * time.Second}
		p.deliverer = tenants.NewDeliverer(p.outbox, p.receivers)
		stop := p.run(4)
		p.publish("orders", "e", 1)
		time.Sleep(time.Second)
		if took := ending(stop); took < 6*time.Second || took > 7*time.Second {
			t.Errorf("ended after %v", took)
		}
		for _, r := range p.receivers.of(ep.ID) {
			t.Log(r.at, r.accepted)
		}
		t.Logf("%+v", p.all(ep.ID))
		if list := p.all(ep.ID); len(list) != 1 || list[0].State != tenants.DeliveryDelivered || p.ready.Len() != 0 {
			t.Errorf("%d messages are left, and of deliveries there are %+v", p.ready.Len(), list)
		}
	})
}

// A channel that an ordered endpoint is being sent is left between two events, and gone on with there.
func TestOrderedChannelIsLeftBetweenTwoEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ep := endpointOf("a", ordered)
		p := newPost(t, func(string, string, int) (tenants.Answer, time.Duration) { return status(200), time.Second }, ep)
		stop := p.run(4)
		p.publish("orders", "e", 20)
		time.Sleep(2500 * time.Millisecond)
		if took := ending(stop); took > time.Second {
			t.Errorf("ended after %v", took)
		}
		if n := len(p.receivers.of(ep.ID)); n != 3 {
			t.Errorf("%d requests by then", n)
		}
		stop = p.run(4)
		time.Sleep(18 * time.Second)
		stop()
		var got, want []string
		for i, r := range p.receivers.of(ep.ID) {
			got, want = append(got, r.data), append(want, fmt.Sprintf("e-%d", i))
		}
		if !slices.Equal(got, want) || len(got) != 20 {
			t.Errorf("delivered %q", got)
		}
	})
}

// fatal is a table that a process writes a delivery to as the last thing that it tries to do.
type fatal struct {
	tenants.Table
	p *tenantstest.Process
}

func (f fatal) Write(ctx context.Context, ops ...tenants.Op) error {
	if strings.HasPrefix(string(ops[0].Row.Kind), "dlv/") {
		f.p.Kill()
		return tenants.Errorf(tenants.Unavailable, "killed", "the process is dead")
	}
	return f.Table.Write(ctx, ops...)
}

// A process that dies between telling the queue of the next attempt and recording the one before leaves a message for an attempt that is one too far. Where both
// messages are held back, that one may come first: who gets it makes the attempt that was not recorded. The one behind it is made all the same, although
// the queue has had a message for it before.
func TestProcessKilledBeforeItRecordsLeavesNoDeliveryBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		ep := endpointOf("a", func(e *tenants.Endpoint) { e.Schedule = slices.Repeat([]time.Duration{5 * time.Second}, 3) })
		p := newPost(t, func(_, event string, n int) (tenants.Answer, time.Duration) {
			switch {
			case event == tenants.DerivedID(tenants.PrefixEvent, "busy-0") && n == 1:
				return tenants.Answer{Status: 429, Connected: true, RetryAfter: 90 * time.Second}, 0
			case event == tenants.DerivedID(tenants.PrefixEvent, "e-0") && n < 3:
				return status(500), 0
			}
			return status(200), 0
		}, ep)
		var longer atomic.Bool
		p.outbox.Random = func() float64 { // of whichever worker
			if time.Since(begin) >= time.Minute && longer.CompareAndSwap(false, true) { // of the two it is the attempt's own message that is held back for longer
				return 1
			}
			return 0
		}
		process := tenantstest.NewProcess()
		dying := *p.outbox
		dying.Table, dying.Ready, dying.Waiting = fatal{p.table, process}, mortal{p.ready, process}, mortal{p.waiting, process}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() {
			tenants.NewDeliverer(&dying, p.receivers).Run(ctx, 4)
			close(ended)
		}()
		dispatch := func(events []tenants.Event) {
			row := tenants.Row{Key: tenants.Key{Tenant: logTenant, Kind: "log/orders"}, Version: 1, Body: tenants.EncodeEvent(events[0])}
			if failed, err := tenants.NewDispatcher(p.outbox).Dispatch(context.Background(), []tenants.Change{{Row: row}}); err != nil || failed != nil {
				t.Fatal(failed, err)
			}
		}
		dispatch(p.publish("orders", "e", 1))
		time.Sleep(time.Second)
		cancel()
		<-ended
		if n := len(p.receivers.of(ep.ID)); n != 1 || len(p.all(ep.ID)) != 0 {
			t.Fatalf("%d requests and %d deliveries, when the process is dead", n, len(p.all(ep.ID)))
		}
		stopped := make(chan struct{})
		ctx, cancel = context.WithCancel(context.Background())
		go func() {
			p.deliverer.Run(ctx, 4)
			close(stopped)
		}()
		time.Sleep(50 * time.Second)
		dispatch(p.publish("orders", "busy", 1))
		time.Sleep(10 * time.Minute)
		cancel()
		<-stopped
		for _, d := range p.all(ep.ID) {
			if d.State != tenants.DeliveryDelivered {
				t.Errorf("%+v", d)
			}
		}
		if n := p.ready.Len() + p.waiting.Len(); n != 0 || !longer.Load() {
			t.Errorf("%d messages are left", n)
		}
	})
}
