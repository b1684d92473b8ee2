package hub

import "github.com/hookcast/hookcast/tenants/eventlog"

const (
	joinBytes = 64 << 10  // maximum size of one joined write
	pumpBytes = 256 << 10 // bytes that one subscriber gets before others have their turn
)

// worker runs topics. Its buffers are reused for every subscriber.
type worker struct {
	hub     *Hub
	batch   batch
	join    []byte  // of batch
	encode  []byte  // for one event
	scratch []byte  // for a control frame
	places  []int64 // of a connection
	cursor  []byte
	counts  []counts // by class
	counted []uint16 // classes with counts
	micros  int64    // see nowMicros
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
		w.flushCounts()
	}
}

// pump brings s as far forward as its socket accepts.
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
		if t.snapshot {
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
	if w.writeTo(t, s) {
		w.atHead(t, s)
	}
}

// writeTo writes to s until it is at the head, and reports whether it is. s.conn.mu held.
func (w *worker) writeTo(t *topic, s *sub) (atHead bool) {
	c := s.conn
	for left := pumpBytes; s.pos < t.head; {
		if left <= 0 {
			t.soon(s)
			return false
		}
		b := w.batchFrom(t, s)
		if b == nil {
			t.want(s, s.pos)
			return false
		}
		n, more, err := c.sink.write(b.buf)
		if err != nil {
			c.left()
			return false
		}
		c.sent += int64(n)
		left -= n
		counts := w.count(c.class)
		counts.writes++
		counts.bytes += int64(n)
		frames := b.commit(c, s, n)
		counts.deliveries += frames
		if b.traced {
			b.traceWritten(s, frames)
		}
		if s.live { // the age of replayed events says nothing about delivery
			counts.countAges(b, frames, w.nowMicros())
		}
		if !more {
			since := w.hub.now()
			if s.live { // the oldest byte is as old as its event
				since = min(since, b.atByte(n))
			}
			c.block(since)
			return false
		}
	}
	return true
}

// atHead notes that s has everything, and tells its client if the channel has ended. s.conn.mu held.
func (w *worker) atHead(t *topic, s *sub) {
	s.live, s.bytes = true, t.bytes.Load()
	switch {
	case t.ended == s.ended:
	case t.ended:
		s.conn.channelEnded(w, s)
	default:
		s.ended = false
		s.conn.running++
	}
}

// rewind handles a cursor beyond the head: the log is read again, because this node may be behind; if the cursor is
// beyond the log's end too, the stream reports that and continues from there. rewind reports whether s can continue.
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
