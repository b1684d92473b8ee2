package hub

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
)

// open makes the topic live. Interest is committed first and the log read afterwards, so that the read includes every
// event that the appender did not announce here. The same read serves the waiting cursors.
func (t *topic) open() {
	t.state = opening
	t.early, t.earlySize = nil, 0
	t.register(t.registered)
}

func (t *topic) registered(err error) {
	if err != nil {
		t.openFailed("registering interest in a channel", err)
		return
	}
	if t.named != t.hub.nodeID() { // notices no longer go to this name
		t.open()
		return
	}
	h := t.hub
	after, ok := t.lowest()
	forgot := t.forgets
	h.io(t, func(ctx context.Context) func(*worker) {
		after, page, err := h.readOpening(ctx, t.key, after, ok)
		return func(*worker) {
			if err == nil && forgot != t.forgets {
				t.registered(nil) // the page may no longer be shown
				return
			}
			t.opened(after, page, err)
		}
	})
}

// readOpening reads the start of a topic: from some way before the lowest cursor if there is one, else the end.
func (h *Hub) readOpening(
	ctx context.Context, k topicKey, lowest int64, ok bool,
) (after int64, page eventlog.Page, err error) {
	if ok {
		after = max(0, lowest-lookBack)
		page, err = h.readPage(ctx, k, after)
		return after, page, err
	}
	if after, err = h.o.Log.Tail(ctx, k.tenant, k.name); err != nil {
		return 0, page, err
	}
	page, err = h.o.Log.Read(ctx, k.tenant, k.name, after, 1, tenants.Retention{})
	return after, page, err
}

// lowest returns the lowest cursor of the waiting subscribers.
func (t *topic) lowest() (pos int64, ok bool) {
	for _, s := range t.subs {
		if from := s.from(); from >= 0 && (!ok || from < pos) {
			pos, ok = from, true
		}
	}
	return pos, ok
}

func (t *topic) opened(after int64, page eventlog.Page, err error) {
	if err != nil {
		t.openFailed("reading a channel", err)
		return
	}
	now := t.hub.now()
	t.state, t.failures, t.stalled, t.checked, t.lastEvent = live, 0, 0, now, now
	t.pages = nil
	got := pageSegment(after, page, now)
	switch {
	case page.Gap != nil && page.Gap.Reset:
		t.head = page.Tail
		t.ring = segment{after: t.head}
	case got.last() >= page.Tail:
		t.head = got.last()
		t.ring = *got
	default: // far behind: subscribers read the events between when they need them
		t.head = page.Tail
		t.ring = segment{after: t.head}
		t.pages = append(t.pages, got)
	}
	t.ended, t.snapshot = page.Ended, page.Snapshot
	t.useEarly()
	t.changed()
	if got.last() < page.Tail || len(t.early) > 0 || t.catchMore {
		t.catchUp()
	}
	for _, s := range t.subs {
		t.soon(s)
	}
	t.keepName()
}

func (t *topic) openFailed(what string, err error) {
	t.hub.logRetry(what, err)
	t.failures++
	for _, s := range t.subs {
		s.conn.sendHead()
	}
	t.hub.after(t, pause(t.failures), func(*worker) {
		if t.state == opening && !t.writing {
			if len(t.subs) == 0 {
				t.state = cold // visit drops the topic
			} else {
				t.open()
			}
		}
	})
}

const (
	visitEvery = 5 * time.Second
	keepRing   = 5 * time.Minute
	keepPage   = 10 * time.Second
)

// visit is called by the sweep. It drops old data, reads past the last number from time to time, and gives up
// interest in a channel that has had no subscribers for a while.
func (t *topic) visit() {
	now, o := t.hub.now(), &t.hub.o
	old := 0
	for old < len(t.ring.entries) && now-t.ring.entries[old].at > keepRing.Milliseconds() {
		old++
	}
	if old > 0 {
		t.ring.drop(old)
		t.changed()
	}
	t.dropPages(now - keepPage.Milliseconds())

	if len(t.subs) == 0 && now-t.emptySince >= o.Linger.Milliseconds() && !t.writing && !t.catching &&
		len(t.loads) == 0 {
		switch t.state {
		case live, cold:
			t.drop()
			return
		}
	}
	if t.state == live && !t.renewAt.IsZero() && !time.Now().Before(t.renewAt) {
		t.reregister(func(err error) {
			if err != nil {
				t.hub.logRetry("renewing interest in a channel", err)
			}
		})
	}
	every := o.AntiEntropy
	if now-t.lastEvent > (24 * time.Hour).Milliseconds() {
		every *= 12
	}
	if t.state == live && now-t.checked >= every.Milliseconds() {
		t.catchUp()
	}
}

func (t *topic) drop() {
	if !t.maybeThere {
		t.remove()
		return
	}
	t.state, t.writing = dropping, true
	t.ring, t.pages, t.early, t.earlySize = segment{}, nil, nil, 0
	h, named := t.hub, t.named
	h.io(t, func(ctx context.Context) func(*worker) {
		err := h.o.Interest.Drop(ctx, named, t.key.tenant, t.key.name)
		return func(*worker) { t.dropped(err) }
	})
}

func (t *topic) dropped(err error) {
	t.writing = false
	t.state = cold
	if err != nil {
		t.hub.logRetry("dropping interest in a channel", err)
	} else {
		t.maybeThere = false
		t.named, t.renewAt = "", time.Time{}
	}
	switch {
	case len(t.subs) > 0:
		t.open()
	case err == nil:
		t.remove()
	}
}

// remove removes the topic from the hub unless an operation was posted meanwhile.
func (t *topic) remove() {
	h := t.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.box) == 0 && len(t.subs) == 0 {
		t.dead = true
		delete(h.topics, t.key)
		h.list[t.index] = nil
		h.free = append(h.free, t.index)
	}
}
