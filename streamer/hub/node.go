package hub

import (
	"context"
	"slices"
	"sync"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/node"
)

// A node's subscribers are served by a Hub.
var _ node.Fanout = (*Hub)(nil)

// Reregister gives this node a new name, writes the interest rows of every channel that it serves under it, and reads
// each channel's log after its last number. A node does this when it may have lost its lease or its inbox. It returns
// the first error, or once all rows are written.
func (h *Hub) Reregister(ctx context.Context, node string) error {
	h.node.Store(&node)
	ts := h.stride(0, 1)
	done := make(chan error, len(ts))
	for _, t := range ts {
		if !t.post(op{kind: opDone, then: func(*worker) { t.reregister(func(err error) { done <- err }) }}) {
			done <- nil
		}
	}
	for range ts {
		select {
		case err := <-done:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		case <-h.ctx.Done():
			return errClosed
		}
	}
	return nil
}

var errClosed = tenants.Errorf(tenants.Unavailable, "hub_closed",
	"this node has stopped; another node serves the request")

// Withdraw drops the interest rows of every channel that this node serves, for a hub that is drained and not closed.
// It tries all and returns the first error.
func (h *Hub) Withdraw(ctx context.Context) error {
	type row struct {
		key  topicKey
		node string
	}
	ts := h.stride(0, 1)
	rows := make(chan row, len(ts))
	for _, t := range ts {
		posted := t.post(op{kind: opDone, then: func(*worker) {
			if !t.maybeThere {
				rows <- row{}
				return
			}
			rows <- row{t.key, t.named}
		}})
		if !posted {
			rows <- row{}
		}
	}
	var all sync.WaitGroup
	var once sync.Once
	var first error
	turn := make(chan struct{}, h.o.Readers)
	for range ts {
		var r row
		select {
		case r = <-rows:
		case <-ctx.Done():
			all.Wait()
			return ctx.Err()
		case <-h.ctx.Done():
			all.Wait()
			return errClosed
		}
		if r.node == "" {
			continue
		}
		turn <- struct{}{}
		all.Go(func() {
			defer func() { <-turn }()
			if err := h.o.Interest.Drop(ctx, r.node, r.key.tenant, r.key.name); err != nil {
				once.Do(func() { first = err })
			}
		})
	}
	all.Wait()
	return first
}

// Tenants returns the tenants that have connections here.
func (h *Hub) Tenants() []tenants.TenantID {
	h.mu.Lock()
	defer h.mu.Unlock()
	seen := make(map[tenants.TenantID]bool)
	for _, t := range h.list {
		if t != nil && t.audience.Load() > 0 {
			seen[t.key.tenant] = true
		}
	}
	list := make([]tenants.TenantID, 0, len(seen))
	for t := range seen {
		list = append(list, t)
	}
	return list
}

// Shed ends the newest n of the tenant's connections, each with a hint to come back later. channel and subject select
// those that listen to a channel or belong to a subject; "" selects all.
func (h *Hub) Shed(t tenants.TenantID, channel, subject string, n int) {
	var conns []*Conn
	for _, c := range h.slots.all() {
		if c.countsAgainst(t, channel, subject) {
			conns = append(conns, c)
		}
	}
	slices.SortFunc(conns, func(a, b *Conn) int { return b.opened.Compare(a.opened) })
	w := newWorker(h)
	for _, c := range conns[:min(n, len(conns))] {
		c.mu.Lock()
		c.end(w, causeShed)
		c.mu.Unlock()
	}
}

// countsAgainst reports whether the connection counts against a limit of that channel or subject.
func (c *Conn) countsAgainst(t tenants.TenantID, channel, subject string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.departed {
		return false
	}
	found := channel == ""
	for i := range c.subs {
		if c.subs[i].topic.key.tenant != t {
			return false
		}
		found = found || c.subs[i].topic.key.name == channel
	}
	return found && (subject == "" || c.principal != nil && c.principal.Subject == subject)
}
