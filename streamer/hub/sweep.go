package hub

import (
	"sync"
	"time"

	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/tenants/envelope"
)

// tick is the sweep's step, and so the resolution of the hub's clock and timers.
const tick = 100 * time.Millisecond

// sweep is one goroutine instead of a timer per connection. Heartbeats use a wheel: each tick visits its share of the
// slots, so that heartbeats are spread over time however the connections came.
func (h *Hub) sweep() {
	w := newWorker(h)
	every := time.NewTicker(tick)
	defer every.Stop()
	spokes := int(h.wheelTurn() / tick.Milliseconds())
	topics := int(visitEvery / tick)
	var conns []*Conn
	for turn := 0; ; turn++ {
		select {
		case <-h.ctx.Done():
			return
		case <-every.C:
		}
		now := time.Now()
		h.clock.Store(now.UnixMilli())
		h.deadlines.pass(h.now(), func(at slot) {
			if c := h.slots.get(at); c != nil {
				c.due(w, h.now())
			}
		})
		w.flushCounts()
		b := beats{at: now}
		conns = h.slots.stride(conns[:0], turn%spokes, spokes)
		for _, c := range conns {
			c.beat(&b, h.now())
		}
		clear(conns)
		for _, t := range h.stride(turn%topics, topics) {
			t.post(op{kind: opVisit})
		}
		if turn%int(time.Second/tick) == 0 {
			h.checkStuck()
		}
	}
}

// wheelTurn returns the period of the wheel in ms: half a heartbeat, so that every other visit looks for stuck
// connections.
func (h *Hub) wheelTurn() int64 { return max((h.o.Heartbeat / 2).Milliseconds(), tick.Milliseconds()) }

// stride returns every step-th topic, starting at first.
func (h *Hub) stride(first, step int) []*topic {
	h.mu.Lock()
	defer h.mu.Unlock()
	var ts []*topic
	for i := first; i < len(h.list); i += step {
		if t := h.list[i]; t != nil {
			ts = append(ts, t)
		}
	}
	return ts
}

// watchStuck makes the sweep check c every second. c.mu held.
func (h *Hub) watchStuck(c *Conn) {
	if c.listed {
		return
	}
	c.listed = true
	h.stuck.mu.Lock()
	h.stuck.at = append(h.stuck.at, c.slot)
	h.stuck.mu.Unlock()
}

func (h *Hub) checkStuck() {
	h.stuck.mu.Lock()
	at := h.stuck.at
	h.stuck.at = nil
	h.stuck.mu.Unlock()
	still := at[:0]
	for _, s := range at {
		if c := h.slots.get(s); c != nil && c.stillStuck(h.now()) {
			still = append(still, s)
		}
	}
	h.stuck.mu.Lock()
	h.stuck.at = append(still, h.stuck.at...)
	h.stuck.mu.Unlock()
}

// beats holds the signs of life of one tick, encoded once for each format.
type beats struct {
	at   time.Time
	made []beat
}

type beat struct {
	format      Format
	pings, name []byte
}

func (b *beats) of(f Format) *beat {
	for i := range b.made {
		if b.made[i].format == f {
			return &b.made[i]
		}
	}
	data := append(envelope.AppendTime([]byte(`{"time":`), b.at.Truncate(time.Millisecond)), '}')
	b.made = append(b.made, beat{f, f.AppendPing(nil), f.AppendControl(nil, sse.Heartbeat, data, "", 0)})
	return &b.made[len(b.made)-1]
}

func (b *beats) ping(f Format) []byte  { return b.of(f).pings }
func (b *beats) named(f Format) []byte { return b.of(f).name }

// deadlines holds the slots to visit at a given time, by tick.
type deadlines struct {
	mu     sync.Mutex
	byTick map[int64][]slot
	passed int64
}

// add makes the sweep visit the slot at the first tick after ms.
func (d *deadlines) add(ms int64, s slot) {
	d.mu.Lock()
	defer d.mu.Unlock()
	at := max(ms/tick.Milliseconds(), d.passed) + 1
	d.byTick[at] = append(d.byTick[at], s)
}

// pass calls due for every slot whose time has come.
func (d *deadlines) pass(now int64, due func(slot)) {
	d.mu.Lock()
	var slots []slot
	// the clock was set, or this is the first call
	if last := now / tick.Milliseconds(); last-d.passed > int64(len(d.byTick)) {
		for at, s := range d.byTick {
			if at <= last {
				slots = append(slots, s...)
				delete(d.byTick, at)
			}
		}
		d.passed = last
	} else {
		for ; d.passed < last; d.passed++ {
			slots = append(slots, d.byTick[d.passed+1]...)
			delete(d.byTick, d.passed+1)
		}
	}
	d.mu.Unlock()
	for _, s := range slots {
		due(s)
	}
}
