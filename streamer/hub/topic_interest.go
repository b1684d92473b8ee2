package hub

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// register writes the topic's interest row under the node's present name, and has then run by the topic. One row is written at a time:
// the caller sees to it that none is under way.
func (t *topic) register(then func(error)) {
	t.writing, t.maybeThere = true, true
	h, subscribers := t.hub, len(t.subs)
	h.io(t, func(ctx context.Context) func(*worker) {
		now, until, node := time.Now(), h.o.Lease(), h.nodeID()
		err := h.o.Interest.Register(ctx, node, until, t.key.tenant, t.key.name, subscribers)
		return func(*worker) {
			t.writing, t.named = false, node
			if err == nil {
				t.told, t.renewAt = subscribers, time.Time{}
				if !until.IsZero() {
					t.renewAt = now.Add(until.Sub(now) / 2)
				}
			}
			then(err)
			t.written()
		}
	})
}

// reregister writes the interest row again and reads the log behind head; done is called once both have succeeded, or cannot.
func (t *topic) reregister(done func(error)) {
	switch {
	case t.state != live:
		done(nil) // an opening sees to it that its row has the node's name, see registered and opened
	case t.writing:
		t.rewrites = append(t.rewrites, done)
	default:
		t.register(func(err error) {
			if err == nil && t.state == live {
				t.catchUp()
			}
			done(err)
		})
	}
}

// written goes on with what waited for a row to be written.
func (t *topic) written() {
	if len(t.rewrites) == 0 || t.writing {
		return
	}
	all := t.rewrites
	t.rewrites = nil
	t.reregister(func(err error) {
		for _, done := range all {
			done(err)
		}
	})
}

// keepName writes the row again where the node has had another name since, until that has succeeded.
func (t *topic) keepName() {
	if t.state != live || t.named == t.hub.nodeID() {
		return
	}
	t.reregister(func(err error) {
		if err != nil {
			t.hub.troubled("registering interest under a new name", err)
			t.hub.after(t, pause(5), func(*worker) { t.keepName() })
		}
	})
}

// tellCount has the row tell how many subscribers there are, a while after that has changed.
func (t *topic) tellCount() {
	h := t.hub
	every := h.o.Count
	if every < 0 && tenants.BoundChannel(t.key.name) { // somebody wants to know when its client leaves
		every = time.Second
	}
	if every < 0 || t.state != live || t.telling || t.told == len(t.subs) {
		return
	}
	t.telling = true
	h.after(t, every, func(*worker) {
		t.telling = false // the end of this turn sets the timer anew where that is needed
		if t.state == live && !t.writing && t.told != len(t.subs) {
			t.register(func(err error) {
				if err != nil {
					h.troubled("writing a channel's number of subscribers", err)
				}
			})
		}
	})
}
