package hub

import (
	"math"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/hidden"
)

// batch is consecutive frames for one write. It is kept for the next subscriber at the same position.
type batch struct {
	topic  *topic
	stamp  uint64
	from   int64
	format Format
	hidden hidden.Hidden
	buf    []byte
	steps  []step
	traced bool // some step has a tally
	shared bool // usable for any connection that has only this channel
}

type step struct {
	end   int         // in batch.buf
	last  int64       // the position after the step
	size  int64       // as the topic counts
	at    int64       // ms; arrival here
	born  int64       // µs; receipt of the event; 0: a gap
	tally *traceTally // counts the step's writes; nil: nothing does
	frame []byte      // its first bytes that are shared and never change; nil: none
}

// batchFrom returns the next frames for s, up to joinBytes; nil if a page must be read first. c.mu held.
func (w *worker) batchFrom(t *topic, s *sub) *batch {
	c, r := s.conn, &w.batch
	alone := len(c.subs) == 1
	if alone && r.shared && r.from == s.pos && r.topic == t && r.stamp == t.stamp && r.format == c.format &&
		r.hidden == c.hidden {
		return r
	}
	seg := t.locate(s.pos)
	if seg == nil {
		return nil
	}
	i := seg.find(s.pos)
	*r = batch{
		topic: t, stamp: t.stamp, from: s.pos, format: c.format, hidden: c.hidden, steps: r.steps[:0], shared: alone,
	}
	if seg.entries[i].gap != nil {
		w.gapBatch(s, &seg.entries[i])
		return r
	}
	buf := w.join[:0]
	for ; i < len(seg.entries) && seg.entries[i].gap == nil; i++ {
		f := seg.encoded(i, c.format, c.hidden, &w.encode)
		if len(buf) > 0 && len(buf)+len(f.bytes) > joinBytes {
			break
		}
		e := &seg.entries[i]
		st := step{last: e.last, size: e.size, at: e.at, born: e.born, frame: f.bytes}
		if e.event.Trace != nil {
			st.tally = t.tallyOf(e.event)
			r.traced = r.traced || st.tally != nil
		}
		if alone {
			// the usual case: nothing to join
			if len(r.steps) == 0 && (i+1 == len(seg.entries) || len(f.bytes) >= joinBytes) {
				st.end = len(f.bytes)
				r.buf, r.steps = f.bytes, append(r.steps, st)
				return r
			}
			buf = append(buf, f.bytes...)
		} else {
			st.frame = f.bytes[:f.body]
			buf = append(buf, st.frame...)
			buf = c.format.AppendEnd(buf, w.cursorAt(c, s, e.last))
		}
		st.end = len(buf)
		r.steps = append(r.steps, st)
	}
	w.join, r.buf = buf, buf
	return r
}

// gapBatch makes the batch of a gap. Its frame is the connection's own, because the extent of the gap depends on its
// position.
func (w *worker) gapBatch(s *sub, e *entry) {
	c, pos := s.conn, s.pos
	g := *e.gap
	g.From = max(g.From, pos+1)
	s.pos = e.last
	w.join = c.gapFrame(w.join[:0], g)
	s.pos = pos
	r := &w.batch
	r.buf, r.shared = w.join, false
	r.steps = append(r.steps, step{end: len(r.buf), last: e.last, size: e.size, at: e.at})
	w.hub.stats.gaps.Add(1)
}

// cursorAt returns the connection's cursor once s is at pos. c.mu held; the result is valid until the next call.
func (w *worker) cursorAt(c *Conn, s *sub, pos int64) []byte {
	before := s.pos
	s.pos = pos
	w.places = c.positions(w.places[:0])
	s.pos = before
	w.cursor = tenants.AppendCursor(w.cursor[:0], c.seed, w.places)
	return w.cursor
}

// commit advances s past the first n bytes of the batch, which were written, and keeps the unsent rest of a partly
// written frame. It returns the number of frames written or begun. c.mu held.
func (r *batch) commit(c *Conn, s *sub, n int) (frames int64) {
	begin := 0
	for i := range r.steps {
		st := &r.steps[i]
		if n <= begin {
			break
		}
		s.pos = st.last
		s.bytes += st.size
		frames++
		if n < st.end {
			cut := n - begin
			if cut < len(st.frame) {
				c.out = append(c.out, st.frame[cut:])
				cut = len(st.frame)
			}
			if own := r.buf[begin+cut : st.end]; len(own) > 0 {
				c.out = append(c.out, append([]byte(nil), own...))
			}
			break
		}
		begin = st.end
	}
	return frames
}

// atByte returns the arrival of the event that the n-th byte belongs to.
func (r *batch) atByte(n int) int64 {
	for i := range r.steps {
		if n < r.steps[i].end {
			return r.steps[i].at
		}
	}
	return math.MaxInt64
}
