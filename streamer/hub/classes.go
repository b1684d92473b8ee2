package hub

import (
	"sync"
	"sync/atomic"
	"time"
)

// Class groups connections for counting. Tenants are not distinguished: there are too many of them for metrics.
type Class struct{ Transport, Plan string }

// latencies are the upper bounds of a histogram of delivery ages: from the receipt of an event (tenants.Event.Time)
// to its write to a live subscriber. Each bucket counts the ages up to its bound and above the previous one; the last
// bucket counts all above.
var latencies = [...]time.Duration{
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second,
	2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, time.Minute,
}

// Latencies returns the bounds of ClassStats.Latency.
func Latencies() []time.Duration { return latencies[:] }

// ClassStats is what the hub has counted of a class.
type ClassStats struct {
	Class
	Connections int64   // open now
	Accepted    int64   // connections
	Writes      int64   // of events; one write may carry several events
	Deliveries  int64   // events written to, or begun for, a connection
	Bytes       int64   // of events
	Backlog     int64   // bytes not yet written to live connections, now
	Behind      int64   // connections that currently accept no bytes
	Latency     []int64 // live deliveries by age: one count per bound of Latencies, and one for all above
	LatencySum  time.Duration
}

// classCounters counts a class. Sums of latencies are in µs.
type classCounters struct {
	class                     Class
	connections, accepted     atomic.Int64
	writes, bytes, deliveries atomic.Int64
	latency                   [len(latencies) + 1]atomic.Int64
	latencySum                atomic.Int64
}

// classes holds the counters by number; connections and workers refer to a class by its number. It suits few classes:
// transports times plans.
type classes struct {
	mu     sync.Mutex
	number map[Class]uint16
	list   atomic.Pointer[[]*classCounters] // replaced, never changed
}

func (cs *classes) init() {
	cs.number = make(map[Class]uint16)
	cs.list.Store(new([]*classCounters))
}

func (cs *classes) of(c Class) uint16 {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	n, ok := cs.number[c]
	if !ok {
		was := *cs.list.Load()
		n = uint16(len(was))
		now := append(was[:n:n], &classCounters{class: c})
		cs.number[c] = n
		cs.list.Store(&now)
	}
	return n
}

func (cs *classes) counters(n uint16) *classCounters { return (*cs.list.Load())[n] }

// counts is what a worker has counted of a class since its last flush.
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

// clockReads is the number of deliveries per reading of the clock. Together they take less than a tenth of the finest
// latency.
const clockReads = 16

// nowMicros returns the time in µs since 1970, at most a few deliveries old within a turn.
func (w *worker) nowMicros() int64 {
	if w.moments%clockReads == 0 {
		w.micros = time.Now().UnixMicro()
	}
	w.moments++
	return w.micros
}

// countAges counts the first frames events of the batch as delivered at now, in µs since 1970.
func (n *counts) countAges(r *batch, frames, now int64) {
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

// flushCounts adds the worker's counts to the hub's.
func (w *worker) flushCounts() {
	w.moments = 0
	for _, class := range w.counted {
		n, t := &w.counts[class], w.hub.classes.counters(class)
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

// classStats returns the counts of each class.
func (h *Hub) classStats() []ClassStats {
	list := *h.classes.list.Load()
	all := make([]ClassStats, len(list))
	for i, t := range list {
		s := ClassStats{Class: t.class, Connections: t.connections.Load(), Accepted: t.accepted.Load(),
			Writes: t.writes.Load(), Bytes: t.bytes.Load(),
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

// backlog returns the number of bytes that the channels have and that were not yet written to the connection,
// including those that go out next. c.mu held.
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
