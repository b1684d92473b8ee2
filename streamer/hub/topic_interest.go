package hub

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// register writes the topic's interest row under the node's present name; the topic then runs then. One row is
// written at a time: the caller must check that no write is in progress.
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

// reregister writes the interest row again and reads the log after head. done is called once both have succeeded or
// failed.
func (t *topic) reregister(done func(error)) {
	switch {
	case t.state != live:
		done(nil) // an opening writes the row under the node's present name, see registered and opened
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

// written continues with the rewrites that waited for a row.
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

// keepName rewrites the row if the node's name has changed since, until that succeeds.
func (t *topic) keepName() {
	if t.state != live || t.named == t.hub.nodeID() {
		return
	}
	t.reregister(func(err error) {
		if err != nil {
			t.hub.logRetry("registering interest under a new name", err)
			t.hub.after(t, pause(5), func(*worker) { t.keepName() })
		}
	})
}

// tellCount writes the number of subscribers into the row, some time after it has changed.
func (t *topic) tellCount() {
	h := t.hub
	every := h.o.Count
	if every < 0 && tenants.BoundChannel(t.key.name) { // the channel's owner wants to know when the client leaves
		every = time.Second
	}
	if every < 0 || t.state != live || t.telling || t.told == len(t.subs) {
		return
	}
	t.telling = true
	h.after(t, every, func(*worker) {
		t.telling = false // the end of this turn sets the timer again if necessary
		if t.state == live && !t.writing && t.told != len(t.subs) {
			t.register(func(err error) {
				if err != nil {
					h.logRetry("writing a channel's number of subscribers", err)
				}
			})
		}
	})
}
