package hub

import "github.com/hookcast/hookcast/tenants/eventlog"

const (
	joinBytes = 64 << 10  // so much is joined into one write
	pumpBytes = 256 << 10 // so much one subscriber gets before others have their turn
)

// worker runs topics. Its buffers are used again for every subscriber.
type worker struct {
	hub     *Hub
	run     run
	join    []byte  // of run
	encode  []byte  // for one event
	scratch []byte  // for a control frame
	places  []int64 // of a connection
	cursor  []byte
	counts  []counts // by class
	counted []uint16 // classes of which there are some
	micros  int64    // see moment
	moments int
}

// work runs topics until the hub closes.
func (w *worker) work() {
	for {
		t, ok := w.hub.runnable.pop()
		if !ok {
			return
		}
		if t.turn(w) {
			w.hub.runnable.push(t.key.tenant, t)
		}
		w.handOver()
	}
}

// pump brings s as far forward as its socket takes.
func (w *worker) pump(t *topic, s *sub) {
	if s.index < 0 || t.state != live {
		return
	}
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != serving {
		return
	}
	if s.pos < 0 {
		s.pos = t.head
		if t.shows {
			s.pos--
		}
		if c.unknown--; c.unknown == 0 {
			c.begins()
		}
	}
	if s.pos > t.head && !w.rewind(t, s) {
		return
	}
	if c.poll != nil {
		if c.unknown == 0 {
			w.collect(t, s)
		}
		return
	}
	if !c.greeted {
		if c.unknown > 0 {
			return
		}
		if c.greet(w); c.state != serving {
			return
		}
	}
	if c.blocked {
		if s.live && t.bytes.Load()-s.bytes > w.hub.o.UnsentBytes {
			c.abort(causeBacklog)
		}
		return
	}
	for left := pumpBytes; s.pos < t.head; {
		if left <= 0 {
			t.soon(s)
			return
		}
		r := w.runFrom(t, s)
		if r == nil {
			t.want(s, s.pos)
			return
		}
		n, more, err := c.sink.write(r.buf)
		if err != nil {
			c.left()
			return
		}
		c.sent += int64(n)
		left -= n
		counts := w.count(c.class)
		counts.writes++
		counts.bytes += int64(n)
		frames := r.commit(c, s, n)
		counts.deliveries += frames
		if r.traced {
			r.traceWritten(s, frames)
		}
		if s.live { // what is replayed is as old as it is
			counts.aged(r, frames, w.moment())
		}
		if !more {
			since := w.hub.now()
			if s.live { // the oldest byte is as old as its event
				since = min(since, r.atByte(n))
			}
			c.block(since)
			return
		}
	}
	s.live, s.bytes = true, t.bytes.Load()
	if t.ended != s.ended {
		if t.ended {
			c.channelEnded(w, s)
		} else {
			s.ended = false
			c.running++
		}
	}
}

// rewind deals with a cursor beyond the head: the log is asked again, since this node may be behind; where the cursor is beyond
// the log's end too, the stream says so and goes on from there. It tells whether s can go on.
func (w *worker) rewind(t *topic, s *sub) bool {
	if !s.ahead {
		s.ahead = true
		t.catchUp()
		return false
	}
	if t.catching {
		return false
	}
	c := s.conn
	if c.poll == nil && !c.greeted {
		if c.unknown > 0 { // the gap waits for the first frame
			return false
		}
		if c.greet(w); c.state != serving {
			return false
		}
	}
	s.ahead, s.pos = false, t.head
	g := eventlog.Gap{Channel: t.key.name, From: min(1, t.head), To: t.head, Reset: true}
	w.hub.stats.gaps.Add(1)
	if c.poll != nil {
		c.poll.items = append(c.poll.items, Item{Gap: &g})
	} else {
		c.put(c.gapFrame(nil, g))
	}
	return c.state == serving
}
