package delivery_test

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
	"github.com/hookcast/hookcast/tenants/delivery"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

// An attempt in progress when the process is told to end either ends in time and is recorded, or is cancelled, does not
// count, and is made again by the next process, which need not wait for the message's visibility timeout.
func TestAttemptUnderWayAtTheEndIsKeptOrMadeAgain(t *testing.T) {
	for _, inOrder := range []bool{false, true} {
		for name, tt := range map[string]struct {
			answer   tenants.Answer
			took     time.Duration
			ends     time.Duration // Run, after it is told
			state    delivery.State
			attempts int // that are on record then
			requests int // in all
			history  []int
		}{
			"it is delivered": {rig.Status(200), 4 * time.Second, 3 * time.Second, delivery.Delivered,
				1, 1, []int{200}},
			"it fails": {rig.Status(500), 4 * time.Second, 3 * time.Second, delivery.Pending, 1, 2,
				[]int{500, 200}},
			"it has no answer":              {rig.Status(200), 14 * time.Second, 5 * time.Second, "", 0, 2, []int{200}},
			"it has no answer, and no will": {rig.Status(500), 14 * time.Second, 5 * time.Second, "", 0, 2, []int{200}},
		} {
			t.Run(fmt.Sprint(name, ", ordered ", inOrder), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ep := rig.EndpointOf("a", func(e *endpoint.Endpoint) { e.Ordered = inOrder })
					p := rig.NewPost(t, func(_, _ string, n int) (tenants.Answer, time.Duration) {
						if n > 1 {
							return rig.Status(200), 0
						}
						return tt.answer, tt.took
					}, ep)
					stop := p.Run(4)
					p.Publish("orders", "e", 1)
					time.Sleep(time.Second)
					if took := rig.Ending(stop); took < tt.ends-time.Second/10 || took > tt.ends {
						t.Errorf("Run ended after %v, want %v", took, tt.ends)
					}
					list := p.All(ep.ID)
					if tt.state == "" && len(list) != 0 || tt.state != "" &&
						(len(list) != 1 || list[0].State != tt.state || list[0].Attempts != tt.attempts) {
						t.Errorf("recorded deliveries: got %+v, want state %q after %d attempts", list, tt.state,
							tt.attempts)
					}
					stop = p.Run(4)
					time.Sleep(10 * time.Second)
					stop()
					list = p.All(ep.ID)
					if len(list) != 1 || list[0].State != delivery.Delivered || list[0].Attempts != len(tt.history) ||
						len(p.Receivers.Of(ep.ID)) != tt.requests {
						t.Fatalf("got %d requests and %+v, want %d and one delivered", len(p.Receivers.Of(ep.ID)), list,
							tt.requests)
					}
					var history []int
					for _, a := range list[0].History {
						history = append(history, a.Status)
					}
					if !slices.Equal(history, tt.history) {
						t.Errorf("history: got %v, want %v", history, tt.history)
					}
					if n := p.Ready.Len() + p.Waiting.Len(); n != 0 {
						t.Errorf("messages left: got %d, want none", n)
					}
				})
			})
		}
	}
}

// sluggish is a table with slow writes.
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

// An answer that comes just before the grace time ends is recorded after it.
func TestAnswerAtTheVeryEndIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ep := rig.EndpointOf("a")
		p := rig.NewPost(t, rig.Always(200, 5900*time.Millisecond), ep)
		p.Outbox.Table = sluggish{p.Table, 2 * time.Second}
		p.Deliverer = delivery.NewDeliverer(p.Outbox, p.Receivers)
		stop := p.Run(4)
		p.Publish("orders", "e", 1)
		time.Sleep(time.Second)
		if took := rig.Ending(stop); took < 6*time.Second || took > 7*time.Second {
			t.Errorf("Run ended after %v, want 6 s to 7 s", took)
		}
		for _, r := range p.Receivers.Of(ep.ID) {
			t.Log(r.At, r.Accepted)
		}
		t.Logf("%+v", p.All(ep.ID))
		if list := p.All(ep.ID); len(list) != 1 || list[0].State != delivery.Delivered || p.Ready.Len() != 0 {
			t.Errorf("got %d messages left and %+v, want none and one delivered", p.Ready.Len(), list)
		}
	})
}

// The walk of an ordered endpoint's channel stops between two events and continues there.
func TestOrderedChannelIsLeftBetweenTwoEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ep := rig.EndpointOf("a", ordered)
		p := rig.NewPost(t, rig.Always(200, time.Second), ep)
		stop := p.Run(4)
		p.Publish("orders", "e", 20)
		time.Sleep(2500 * time.Millisecond)
		if took := rig.Ending(stop); took > time.Second {
			t.Errorf("Run ended after %v, want 1 s at most", took)
		}
		if n := len(p.Receivers.Of(ep.ID)); n != 3 {
			t.Errorf("requests before the end: got %d, want 3", n)
		}
		stop = p.Run(4)
		time.Sleep(18 * time.Second)
		stop()
		var got, want []string
		for i, r := range p.Receivers.Of(ep.ID) {
			got, want = append(got, r.Data), append(want, fmt.Sprintf("e-%d", i))
		}
		if !slices.Equal(got, want) || len(got) != 20 {
			t.Errorf("delivered %q, want %q", got, want)
		}
	})
}

// fatal is a table that kills the process when it writes a delivery.
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

// A process that dies after it sent the message for the next attempt, and before it recorded the last one, leaves a
// message whose attempt number is one too high. If both messages are held, that one may come first: its worker makes
// the attempt that was not recorded. The next one is made all the same, although the queue has had a message for it
// before.
func TestProcessKilledBeforeItRecordsLeavesNoDeliveryBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		ep := rig.EndpointOf("a", func(e *endpoint.Endpoint) {
			e.Schedule = slices.Repeat([]time.Duration{5 * time.Second}, 3)
		})
		p := rig.NewPost(t, func(_, event string, n int) (tenants.Answer, time.Duration) {
			switch {
			case event == tenants.DerivedID(tenants.PrefixEvent, "busy-0") && n == 1:
				return tenants.Answer{Status: 429, Connected: true, RetryAfter: 90 * time.Second}, 0
			case event == tenants.DerivedID(tenants.PrefixEvent, "e-0") && n < 3:
				return rig.Status(500), 0
			}
			return rig.Status(200), 0
		}, ep)
		var longer atomic.Bool
		p.Outbox.Random = func() float64 { // of whichever worker
			// The attempt's own message is held longer than the other one.
			if time.Since(begin) >= time.Minute && longer.CompareAndSwap(false, true) {
				return 1
			}
			return 0
		}
		process := tenantstest.NewProcess()
		dying := *p.Outbox
		dying.Table, dying.Ready, dying.Waiting = fatal{p.Table, process}, mortal{p.Ready, process},
			mortal{p.Waiting, process}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() {
			delivery.NewDeliverer(&dying, p.Receivers).Run(ctx, 4)
			close(ended)
		}()
		dispatch := func(events []tenants.Event) {
			row := tenants.Row{Key: tenants.Key{Tenant: rig.LogTenant, Kind: "log/orders"}, Version: 1,
				Body: tenants.EncodeEvent(events[0])}
			if failed, err := delivery.NewDispatcher(p.Outbox).Dispatch(context.Background(),
				[]tenants.Change{{Row: row}}); err != nil || failed != nil {
				t.Fatalf("Dispatch: got %v, %v, want no failure", failed, err)
			}
		}
		dispatch(p.Publish("orders", "e", 1))
		time.Sleep(time.Second)
		cancel()
		<-ended
		if n := len(p.Receivers.Of(ep.ID)); n != 1 || len(p.All(ep.ID)) != 0 {
			t.Fatalf("dead process: got %d requests and %d deliveries, want 1 and 0", n, len(p.All(ep.ID)))
		}
		stopped := make(chan struct{})
		ctx, cancel = context.WithCancel(context.Background())
		go func() {
			p.Deliverer.Run(ctx, 4)
			close(stopped)
		}()
		time.Sleep(50 * time.Second)
		dispatch(p.Publish("orders", "busy", 1))
		time.Sleep(10 * time.Minute)
		cancel()
		<-stopped
		for _, d := range p.All(ep.ID) {
			if d.State != delivery.Delivered {
				t.Errorf("got %+v, want it delivered", d)
			}
		}
		if n := p.Ready.Len() + p.Waiting.Len(); n != 0 || !longer.Load() {
			t.Errorf("messages left: got %d, want none", n)
		}
	})
}
