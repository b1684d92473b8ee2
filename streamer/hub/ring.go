package hub

import (
	"sort"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/hidden"
)

// entry is one step of a channel: an event or a gap.
type entry struct {
	last   int64          // the position after it
	event  *tenants.Event // nil: a gap
	gap    *eventlog.Gap
	size   int64 // approximate bytes on the wire
	at     int64 // arrival here, in ms of the hub's clock
	born   int64 // receipt of the event, in µs
	frames []frame
	views  []view
}

// frame is an event encoded for one format and view: the bytes that are the same for all, and the end for connections
// that have only this channel.
type frame struct {
	format Format
	hidden hidden.Hidden
	bytes  []byte
	body   int // length of the part of bytes that is the same for connections of several channels
}

const entryOverhead = 300 // size of an entry and an event without their data

// eventEntry copies e, so that the ring does not keep e's neighbours in memory.
func eventEntry(e tenants.Event, now int64) entry {
	made := entry{last: e.Seq, event: &e, size: int64(len(e.Data)+len(e.Type)) + 32, at: now}
	if !e.Time.IsZero() {
		made.born = e.Time.UnixMicro()
	}
	return made
}

func gapEntry(g *eventlog.Gap, now int64) entry {
	return entry{last: g.To, gap: g, size: 128, at: now}
}

// segment is a stretch of a channel without holes: it serves every position from after up to its last entry.
type segment struct {
	after   int64
	entries []entry
	bytes   int64 // its size in memory
	used    int64 // ms; last use
}

// last returns the position after the segment.
func (s *segment) last() int64 {
	if n := len(s.entries); n > 0 {
		return s.entries[n-1].last
	}
	return s.after
}

func (s *segment) serves(pos int64) bool { return s.after <= pos && pos < s.last() }

// find returns the index of the first entry after pos, which the segment must serve.
func (s *segment) find(pos int64) int {
	n := len(s.entries)
	if s.entries[n-1].last == pos+1 {
		return n - 1
	}
	return sort.Search(n, func(i int) bool { return s.entries[i].last > pos })
}

func (s *segment) append(e entry) {
	s.entries = append(s.entries, e)
	s.bytes += e.weight()
}

// drop forgets the n oldest entries.
func (s *segment) drop(n int) {
	for i := range n {
		s.bytes -= s.entries[i].weight()
		s.after = s.entries[i].last
		s.entries[i] = entry{}
	}
	s.entries = s.entries[n:]
}

func (e *entry) weight() int64 {
	w := int64(entryOverhead)
	if e.event != nil {
		w += int64(len(e.event.Data) + e.event.Provenance.HeaderBytes())
	}
	for _, f := range e.frames {
		w += int64(len(f.bytes))
	}
	for _, v := range e.views {
		w += v.weight(e)
	}
	return w
}

// encoded returns the i-th entry's frame for a format and view, and encodes it at the first use.
func (s *segment) encoded(i int, f Format, hidden hidden.Hidden, scratch *[]byte) frame {
	e := &s.entries[i]
	for _, have := range e.frames {
		if have.format == f && have.hidden == hidden {
			return have
		}
	}
	b := f.AppendEvent((*scratch)[:0], s.view(i, hidden))
	body := len(b)
	var digits [20]byte
	b = f.AppendEnd(b, tenants.AppendCursor(digits[:0], 0, []int64{e.last}))
	*scratch = b[:0]
	made := frame{f, hidden, append(make([]byte, 0, len(b)), b...), body}
	if len(e.frames) < formsKept {
		e.frames = append(e.frames, made)
		s.bytes += int64(len(b))
	}
	return made
}

// pageSegment makes a segment of a page that was read after the position given.
func pageSegment(after int64, p eventlog.Page, now int64) *segment {
	s := &segment{after: after, used: now}
	if p.Gap != nil && !p.Gap.Reset && p.Gap.To > after {
		s.append(gapEntry(p.Gap, now))
	}
	for i := range p.Events {
		if p.Events[i].Seq > s.last() {
			s.append(eventEntry(p.Events[i], now))
		}
	}
	return s
}
