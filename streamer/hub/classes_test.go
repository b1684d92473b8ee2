package hub

import (
	"slices"
	"testing"
	"time"
)

// class returns the counts of a class; zero if it is unknown.
func (r *rig) class(transport, plan string) ClassStats {
	for _, c := range r.hub.Stats().Classes {
		if c.Class == (Class{transport, plan}) {
			return c
		}
	}
	return ClassStats{}
}

func TestConnectionsAreCountedByTransportAndPlan(t *testing.T) {
	inBubble(t, Options{UnsentAge: time.Hour}, func(r *rig) {
		free := r.with(Subscription{Transport: "sse", Plan: "free"}, "", "a").attach()
		pro := r.with(Subscription{Transport: "websocket", Plan: "pro"}, "", "a").attach()
		r.settle()
		r.publish("a", "12345")
		r.settle()
		for _, c := range []ClassStats{r.class("sse", "free"), r.class("websocket", "pro")} {
			if c.Connections != 1 || c.Accepted != 1 || c.Deliveries != 1 || c.Writes != 1 || c.Bytes < 5 ||
				c.Backlog != 0 || c.Behind != 0 {
				t.Errorf("%+v", c)
			}
		}
		free.take(0)
		r.publish("a", "123456789012345678901234567890")
		r.settle()
		if c := r.class("sse", "free"); c.Backlog < 30 || c.Behind != 1 {
			t.Errorf("one that takes nothing: %+v", c)
		}
		if c := r.class("websocket", "pro"); c.Backlog != 0 || c.Behind != 0 || c.Deliveries != 2 {
			t.Errorf("beside it: %+v", c)
		}
		pro.leave()
		r.settle()
		if c := r.class("websocket", "pro"); c.Connections != 0 || c.Accepted != 1 {
			t.Errorf("after it left: %+v", c)
		}
		poll := r.with(Subscription{Transport: "poll", Plan: "free",
			Poll: &Poll{Wait: time.Minute, Respond: func(Result) []byte {
				return nil
			}}}, "0", "a").attach()
		r.settle()
		if c := r.class("poll", "free"); c.Deliveries != 2 || c.Bytes != 35 || !poll.now().shut {
			t.Errorf("a poll: %+v", c)
		}
		if s := r.hub.Stats(); s.Connections != 1 || s.Accepted != 3 || s.Deliveries != 5 {
			t.Errorf("together: %+v", s)
		}
	})
}

// The age of events is counted for live deliveries. A replayed event may be of any age.
func TestTheAgeOfEventsAtTheirDelivery(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		r.append("a", "old")
		r.pass(time.Hour)
		r.with(Subscription{Transport: "sse"}, "0", "a").attach()
		r.settle()
		for _, age := range []time.Duration{0, time.Millisecond, 1100 * time.Microsecond, 2 * time.Minute,
			-time.Minute} {
			e := r.append("a", "x")
			e[0].Time = time.Now().Add(-age)
			r.tell("a", e...)
			r.settle()
		}
		e := r.append("a", "without a time")
		e[0].Time = time.Time{}
		r.tell("a", e...)
		r.settle()
		want := make([]int64, len(Latencies())+1)
		// up to 1 ms, including that of another clock; up to 2.5 ms; above all bounds
		want[0], want[1], want[len(want)-1] = 3, 1, 1
		if c := r.class("sse", ""); !slices.Equal(c.Latency, want) ||
			c.LatencySum != 2*time.Minute+2100*time.Microsecond || c.Deliveries != 7 {
			t.Errorf("%v, %v; want %v", c.Latency, c.LatencySum, want)
		}
	})
}

// A turn of a worker reads the clock at its start, and rarely within it.
func TestTheClockIsReadOnceForSomeDeliveries(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		w := newWorker(r.hub)
		first := w.nowMicros()
		time.Sleep(time.Second)
		for range clockReads - 1 {
			if w.nowMicros() != first {
				t.Fatal("read again")
			}
		}
		if w.nowMicros() != first+1e6 {
			t.Error("not read again")
		}
		time.Sleep(time.Second)
		w.nowMicros()
		w.flushCounts()
		if w.nowMicros() != first+2e6 {
			t.Error("not read in the next turn")
		}
	})
}
