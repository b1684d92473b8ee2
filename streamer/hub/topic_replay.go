package hub

import (
	"context"
	"slices"

	"github.com/hookcast/hookcast/tenants/eventlog"
)

const (
	pageRows = 256
	// a first page starts this much earlier: subscribers that reconnect together were not cut at the same event
	lookBack  = 32
	pagesKept = 8
	loadsMax  = 4
)

// load is a read in progress for subscribers behind the ring.
type load struct{ after int64 }

func (l *load) serves(pos int64) bool { return l.after <= pos && pos < l.after+pageRows }

// readPage reads the part of a channel after the number given that may be shown.
func (h *Hub) readPage(ctx context.Context, k topicKey, after int64) (eventlog.Page, error) {
	h.stats.replayReads.Add(1)
	r, err := h.o.Retention(ctx, k.tenant)
	if err != nil {
		return eventlog.Page{}, err
	}
	return h.o.Log.Read(ctx, k.tenant, k.name, after, pageRows, r)
}

// locate returns the segment that serves pos; nil if none in memory does.
func (t *topic) locate(pos int64) *segment {
	if t.ring.serves(pos) {
		return &t.ring
	}
	for _, p := range t.pages {
		if p.serves(pos) {
			p.used = t.hub.now()
			return p
		}
	}
	return nil
}

// want makes the topic read the page after pos, where s is. All subscribers that wait for the same stretch share one
// read.
func (t *topic) want(s *sub, pos int64) {
	if !s.waiting {
		s.waiting = true
		t.waiters = append(t.waiters, s)
	}
	if len(t.loads) == loadsMax || slices.ContainsFunc(t.loads, func(l *load) bool { return l.serves(pos) }) {
		return
	}
	after := pos
	if !s.read {
		s.read = true
		after = max(0, pos-lookBack)
	}
	l := &load{after}
	t.loads = append(t.loads, l)
	forgot := t.forgets
	t.hub.io(t, func(ctx context.Context) func(*worker) {
		page, err := t.hub.readPage(ctx, t.key, after)
		return func(*worker) { t.loaded(l, page, err, forgot) }
	})
}

// loaded takes the page read for l. forgot is the value of t.forgets when the read began.
func (t *topic) loaded(l *load, page eventlog.Page, err error, forgot int) {
	done := func() {
		t.loads = slices.DeleteFunc(t.loads, func(x *load) bool { return x == l })
		waiters := t.waiters
		t.waiters = nil
		for _, s := range waiters {
			s.waiting = false
			t.soon(s)
		}
	}
	if err == nil && forgot != t.forgets {
		done() // the waiters have it read again
		return
	}
	if err != nil {
		t.hub.logRetry("reading a channel", err)
		t.failures++
		t.hub.after(t, pause(t.failures), func(*worker) { done() })
		return
	}
	t.failures = 0
	if t.state != live {
		done()
		return
	}
	now := t.hub.now()
	got := pageSegment(l.after, page, now)
	if got.last() > t.head { // the log is ahead of the notices
		t.takePage(page)
		for n := len(got.entries); n > 0 && got.entries[n-1].last > t.head; n-- {
			got.bytes -= got.entries[n-1].weight()
			got.entries = got.entries[:n-1]
		}
	}
	if page.Tail != t.head {
		t.catchUp()
	}
	if len(got.entries) == 0 { // the log and head disagree: the catch-up finds out
		t.catchUp()
		t.hub.after(t, pause(1), func(*worker) { done() })
		return
	}
	t.keep(got)
	t.changed()
	done()
}

// keep stores a page where subscribers find it: in the ring if it ends where the ring begins and fits, else among the
// pages.
func (t *topic) keep(p *segment) {
	if p.last() >= t.ring.after && p.after < t.ring.after {
		n := len(p.entries)
		for n > 0 && p.entries[n-1].last > t.ring.after {
			n--
		}
		if n > 0 && p.entries[n-1].last == t.ring.after && n+len(t.ring.entries) <= t.hub.o.Ring &&
			p.bytes+t.ring.bytes <= t.ringBytes() {
			joined := segment{after: p.after, entries: slices.Concat(p.entries[:n], t.ring.entries)}
			for i := range joined.entries {
				joined.bytes += joined.entries[i].weight()
			}
			t.ring = joined
			return
		}
	}
	if len(t.pages) == pagesKept {
		oldest := 0
		for i, o := range t.pages {
			if o.used < t.pages[oldest].used {
				oldest = i
			}
		}
		t.pages = slices.Delete(t.pages, oldest, oldest+1)
	}
	t.pages = append(t.pages, p)
}

// dropPages drops pages that have not been used since.
func (t *topic) dropPages(since int64) {
	n := len(t.pages)
	t.pages = slices.DeleteFunc(t.pages, func(p *segment) bool { return p.used < since })
	if len(t.pages) < n {
		t.changed()
	}
}

// forget drops the data in memory and the results of reads in progress, because retention, a purge or the tenant's
// state may have changed what may be shown. Subscribers that are behind read the log again.
func (t *topic) forget() {
	t.forgets++
	if t.state == live {
		t.ring = segment{after: t.head}
		t.pages = nil
		t.changed()
	}
}
