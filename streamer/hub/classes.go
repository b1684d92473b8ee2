package hub

import (
	"sync"
	"sync/atomic"
	"time"
)

// Class is a sort of connections that are counted together. Tenants are not told apart: there are too many of them for metrics.
type Class struct{ Transport, Plan string }

// latencies are the upper bounds of a histogram of how old events are when they are written to a live subscriber: from the receipt of
// the event (tenants.Event.Time) to the socket. Each count is of those up to its bound and over the one before; the last is of all beyond.
var latencies = [...]time.Duration{
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second,
	10 * time.Second, time.Minute,
}

// Latencies returns the bounds of ClassStats.Latency.
func Latencies() []time.Duration { return latencies[:] }

// ClassStats is what the hub has counted of a class.
type ClassStats struct {
	Class
	Connections int64   // now
	Accepted    int64   // connections
	Writes      int64   // of events; several events may go in one
	Deliveries  int64   // events written to, or begun for, a connection
	Bytes       int64   // of events
	Backlog     int64   // bytes that live connections have yet to be given, now
	Behind      int64   // connections that take nothing for now
	Latency     []int64 // live deliveries by age: one count for each bound of Latencies, and one for what is beyond
	LatencySum  time.Duration
}

// tally counts a class. The sums of latencies are in µs.
type tally struct {
	class                     Class
	connections, accepted     atomic.Int64
	writes, bytes, deliveries atomic.Int64
	latency                   [len(latencies) + 1]atomic.Int64
	latencySum                atomic.Int64
}

// classes are the tallies, by number: a connection and a worker's own counts name a class by it. It is for few classes: transports times plans.
type classes struct {
	mu     sync.Mutex
	number map[Class]uint16
	list   atomic.Pointer[[]*tally] // replaced, not changed
}

func (cs *classes) init() {
	cs.number = make(map[Class]uint16)
	cs.list.Store(new([]*tally))
}

func (cs *classes) of(c Class) uint16 {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	n, ok := cs.number[c]
	if !ok {
		was := *cs.list.Load()
		n = uint16(len(was))
		now := append(was[:n:n], &tally{class: c})
		cs.number[c] = n
		cs.list.Store(&now)
	}
	return n
}

func (cs *classes) tally(n uint16) *tally { return (*cs.list.Load())[n] }

// counts is what a worker has counted of a class since it last handed that over.
type counts struct {
	some                      bool
	writes, bytes, deliveries int64
	latency                   [len(latencies) + 1]int64
	latencySum                int64 // µs
}

// count returns the worker's counts of a class.
func (w *worker) count(class uint16) *counts {
	for int(class) >= len(w.counts) {
		w.counts = append(w.counts, counts{})
	}
	n := &w.counts[class]
	if !n.some {
		n.some = true
		w.counted = append(w.counted, class)
	}
	return n
}

// clockReads is for how many deliveries the clock is read once: they take less than a tenth of the finest latency together.
const clockReads = 16

// moment is the time in µs since 1970, as of a few deliveries ago at most within a turn.
func (w *worker) moment() int64 {
	if w.moments%clockReads == 0 {
		w.micros = time.Now().UnixMicro()
	}
	w.moments++
	return w.micros
}

// aged counts the first frames events of the run as delivered by now, in µs since 1970.
func (n *counts) aged(r *run, frames, now int64) {
	for i := range r.steps[:frames] {
		born := r.steps[i].born
		if born == 0 {
			continue
		}
		age := max(0, now-born) // another machine's clock may be ahead
		n.latencySum += age
		b := 0
		for b < len(latencies) && age > latencies[b].Microseconds() {
			b++
		}
		n.latency[b]++
	}
}

// handOver adds the worker's counts to those of the hub.
func (w *worker) handOver() {
	w.moments = 0
	for _, class := range w.counted {
		n, t := &w.counts[class], w.hub.classes.tally(class)
		t.writes.Add(n.writes)
		t.bytes.Add(n.bytes)
		t.deliveries.Add(n.deliveries)
		if n.latencySum > 0 {
			t.latencySum.Add(n.latencySum)
		}
		for i, k := range n.latency {
			if k > 0 {
				t.latency[i].Add(k)
			}
		}
		*n = counts{}
	}
	w.counted = w.counted[:0]
}

// classStats returns what was counted of each class.
func (h *Hub) classStats() []ClassStats {
	list := *h.classes.list.Load()
	all := make([]ClassStats, len(list))
	for i, t := range list {
		s := ClassStats{Class: t.class, Connections: t.connections.Load(), Accepted: t.accepted.Load(), Writes: t.writes.Load(), Bytes: t.bytes.Load(),
			Deliveries: t.deliveries.Load(), LatencySum: time.Duration(t.latencySum.Load()) * time.Microsecond}
		for b := range t.latency {
			s.Latency = append(s.Latency, t.latency[b].Load())
		}
		all[i] = s
	}
	for _, c := range h.slots.all() {
		c.mu.Lock()
		if s := int(c.class); c.state == serving && s < len(all) { // a class may have been added meanwhile
			all[s].Backlog += c.backlog()
			if c.blocked {
				all[s].Behind++
			}
		}
		c.mu.Unlock()
	}
	return all
}

// backlog is how many bytes the channels have and the connection was not given yet, those included that are to go out next. c.mu held.
func (c *Conn) backlog() (bytes int64) {
	for i := range c.subs {
		if s := &c.subs[i]; s.live {
			bytes += s.topic.bytes.Load() - s.bytes
		}
	}
	for _, b := range c.out {
		bytes += int64(len(b))
	}
	return bytes
}
