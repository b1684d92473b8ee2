package hub

import (
	"context"
	"slices"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
)

// earlyBytes bounds the events that a topic keeps because they came before their turn. More are dropped and read from
// the log.
const earlyBytes = 1 << 20

// deliver handles a notice's events: the next one is written out, a repeat is dropped, and a later one waits for the
// log to bring the events between.
func (t *topic) deliver(events []tenants.Event) {
	switch t.state {
	case opening:
		for i := range events {
			t.keepEarly(events[i])
		}
		return
	case live:
	default:
		return
	}
	before := t.head
	for i := range events {
		switch e := &events[i]; {
		case e.Seq <= t.head:
			t.hub.stats.repeats.Add(1)
		case e.Seq == t.head+1:
			t.extend(eventEntry(*e, t.hub.now()))
		default:
			t.keepEarly(*e)
			t.catchUp()
		}
	}
	if t.head > before {
		t.useEarly()
		t.fanOut()
	}
}

// extend appends an entry at the head.
func (t *topic) extend(e entry) {
	t.ring.append(e)
	t.head = e.last
	t.bytes.Add(e.size)
	t.ended = e.event != nil && e.event.End
	t.snapshot = e.event != nil && e.event.Snapshot
	t.lastEvent = e.at
	if e.event != nil && e.event.Trace != nil {
		t.tallyOf(e.event)
	}
	t.trim(t.hub.o.Ring, t.ringBytes())
	t.changed()
}

// ringBytes returns the maximum size of the ring, which is smaller if all topics together hold too much.
func (t *topic) ringBytes() int64 {
	if t.hub.memory.Load() > t.hub.o.Memory {
		return t.hub.o.RingBytes / 16
	}
	return t.hub.o.RingBytes
}

// trim cuts the ring to n entries and to the bytes given. The newest entry stays until it is old.
func (t *topic) trim(n int, bytes int64) {
	drop := max(0, len(t.ring.entries)-n)
	left := t.ring.bytes
	for i := range t.ring.entries {
		if i >= drop && (left <= bytes || i == len(t.ring.entries)-1) {
			break
		}
		left -= t.ring.entries[i].weight()
		drop = max(drop, i+1)
	}
	if drop > 0 {
		t.ring.drop(drop)
		t.changed()
	}
}

func (t *topic) keepEarly(e tenants.Event) {
	t.earlySize += int64(len(e.Data)) + entryOverhead
	if t.earlySize > earlyBytes {
		t.early, t.earlySize = nil, 0
		t.catchMore = true
		return
	}
	t.early = append(t.early, e)
}

// useEarly appends the early events whose turn has come.
func (t *topic) useEarly() {
	if len(t.early) == 0 {
		return
	}
	slices.SortFunc(t.early, func(a, b tenants.Event) int { return int(min(max(a.Seq-b.Seq, -1), 1)) })
	rest := t.early[:0]
	t.earlySize = 0
	for _, e := range t.early {
		switch {
		case e.Seq == t.head+1:
			t.extend(eventEntry(e, t.hub.now()))
		case e.Seq > t.head:
			rest = append(rest, e)
			t.earlySize += int64(len(e.Data)) + entryOverhead
		}
	}
	clear(t.early[len(rest):])
	if t.early = rest; len(rest) == 0 {
		t.early = nil
	}
}

const catchUpRows = 256

// catchUp reads the log after head, once at a time. It does not apply retention: a subscriber gets the events that
// happened while it listened.
func (t *topic) catchUp() {
	if t.catching {
		t.catchMore = true
		return
	}
	t.catching, t.catchMore = true, false
	after, forgot := t.head, t.forgets
	t.hub.io(t, func(ctx context.Context) func(*worker) {
		page, err := t.hub.o.Log.Read(ctx, t.key.tenant, t.key.name, after, catchUpRows, tenants.Retention{})
		return func(*worker) {
			if t.catching = false; err == nil && forgot != t.forgets {
				t.catchUp()
				return
			}
			t.caughtUp(page, err)
		}
	})
}

func (t *topic) caughtUp(page eventlog.Page, err error) {
	if t.state != live {
		return
	}
	before := t.head
	if err != nil {
		t.hub.logRetry("reading a channel's end", err)
	} else {
		t.checked = t.hub.now()
		t.takePage(page)
	}
	behind := len(t.early) > 0 || page.Tail > t.head
	switch {
	case err == nil && (t.catchMore || behind && t.head > before):
		t.stalled = 0
		t.catchUp()
	case err == nil && !behind:
		t.stalled = 0
	default: // nothing new although events are missing: read again, at growing intervals
		t.stalled++
		t.catching = true
		t.hub.after(t, pause(t.stalled), func(*worker) {
			t.catching = false
			if t.state == live && len(t.subs) > 0 {
				t.catchUp()
			}
		})
	}
	for _, s := range t.subs {
		if s.ahead {
			t.soon(s)
		}
	}
}

// takePage appends the part after head of a page that was read at or before head.
func (t *topic) takePage(page eventlog.Page) {
	now, before := t.hub.now(), t.head
	if g := page.Gap; g != nil && g.Reset && page.Tail < t.head {
		t.reset(page.Tail)
		return
	} else if g != nil && !g.Reset && g.From <= t.head+1 && g.To > t.head {
		t.hub.stats.gaps.Add(1)
		t.extend(gapEntry(&eventlog.Gap{Channel: t.key.name, From: t.head + 1, To: g.To}, now))
	}
	for i := range page.Events {
		if page.Events[i].Seq == t.head+1 {
			t.extend(eventEntry(page.Events[i], now))
		}
	}
	if page.Tail == t.head {
		t.snapshot = page.Snapshot
	}
	if page.Tail == t.head && t.ended != page.Ended {
		t.ended = page.Ended
		t.fanOut()
	}
	t.useEarly()
	if t.head > before {
		t.hub.stats.recovered.Add(t.head - before)
		t.fanOut()
	}
}

// reset follows a log that ends before head: the table was restored.
func (t *topic) reset(tail int64) {
	t.hub.stats.gaps.Add(1)
	t.head, t.ended, t.snapshot = tail, false, false
	t.ring = segment{after: tail}
	t.pages, t.early, t.earlySize = nil, nil, 0
	t.changed()
	t.fanOut()
}

// pause returns the delay after that many failures in a row: 100 ms, doubling up to 5 s.
func pause(failures int) time.Duration {
	return min(100*time.Millisecond<<min(failures-1, 10), 5*time.Second)
}
