package hub

import (
	"context"
	"encoding/binary"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// rechecks holds the tenants whose connections are being rechecked; true: another recheck must follow.
type rechecks struct {
	mu     sync.Mutex
	wanted map[tenants.TenantID]bool
}

// Recheck decides again about every connection of the tenant, within moments: it ends those that have lost their
// right and hides newly hidden fields from the others. Recent events in memory are dropped, because retention may
// have changed or the channel may have been purged: a subscriber that comes after Recheck has returned sees nothing
// that was read before.
func (h *Hub) Recheck(t tenants.TenantID) {
	for _, topic := range h.stride(0, 1) {
		if topic.key.tenant == t {
			topic.post(op{kind: opForget})
		}
	}
	h.rechecks.mu.Lock()
	defer h.rechecks.mu.Unlock()
	if _, running := h.rechecks.wanted[t]; running {
		h.rechecks.wanted[t] = true
		return
	}
	if h.ctx.Err() != nil {
		return
	}
	h.rechecks.wanted[t] = false
	h.wg.Go(func() { h.recheck(t) })
}

func (h *Hub) recheck(t tenants.TenantID) {
	for failures := 0; h.ctx.Err() == nil; {
		err := h.recheckOnce(t)
		if err != nil {
			failures++
			h.logRetry("rechecking a tenant's connections", err)
			select {
			case <-time.After(pause(failures)):
			case <-h.ctx.Done():
			}
			continue
		}
		failures = 0
		h.rechecks.mu.Lock()
		if !h.rechecks.wanted[t] {
			delete(h.rechecks.wanted, t)
			h.rechecks.mu.Unlock()
			return
		}
		h.rechecks.wanted[t] = false
		h.rechecks.mu.Unlock()
	}
}

// rechecksAtOnce bounds the decisions in progress.
const rechecksAtOnce = 16

// recheckOnce decides once for each distinct right and ends the connections that have lost theirs. It returns the
// first error.
func (h *Hub) recheckOnce(t tenants.TenantID) error {
	var rights [][]*Conn // the connections of each
	at := make(map[string]int)
	var key []byte // reused, so that a crowd with one right costs one string
	for _, c := range h.slots.all() {
		if key = c.rightKey(key[:0], t); len(key) == 0 {
			continue
		}
		i, known := at[string(key)]
		if !known {
			i = len(rights)
			at[string(key)], rights = i, append(rights, nil)
		}
		rights[i] = append(rights[i], c)
	}
	var wg sync.WaitGroup
	var once sync.Once
	var first error
	if len(rights) > 0 {
		ctx, cancel := context.WithTimeout(h.ctx, ioTime)
		first = h.askTracing(ctx, t)
		cancel()
	}
	turn := make(chan struct{}, rechecksAtOnce)
	for _, conns := range rights {
		turn <- struct{}{}
		wg.Go(func() {
			defer func() { <-turn }()
			if err := h.recheckGroup(conns); err != nil {
				once.Do(func() { first = err })
			}
		})
	}
	wg.Wait()
	return first
}

func (h *Hub) recheckGroup(conns []*Conn) error {
	p, channels := conns[0].identity()
	ctx, cancel := context.WithTimeout(h.ctx, ioTime)
	defer cancel()
	verdict, until, err := h.o.Allowed(ctx, p, channels)
	if err != nil {
		return err
	}
	if verdict == Allowed {
		hidden, err := h.o.Hidden(ctx, p)
		if err != nil {
			return err
		}
		for _, c := range conns {
			c.expireBy(until)
			c.concealFrom(p, hidden)
		}
		return nil
	}
	why := causeDenied
	if verdict == Expired {
		why = causeExpired
	}
	w := newWorker(h)
	for _, c := range conns {
		c.mu.Lock()
		c.end(w, why)
		c.mu.Unlock()
	}
	return nil
}

// rightKey appends everything that a decision about the connection depends on; nothing if it belongs to another
// tenant.
func (c *Conn) rightKey(b []byte, t tenants.TenantID) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state > serving || c.subs[0].topic.key.tenant != t {
		return b
	}
	part := func(s string) { b = append(append(b, s...), 0) }
	if p := c.principal; p != nil {
		part(string(p.Tenant))
		part(p.KeyID)
		part(p.TokenID)
		part(p.Subject)
		for _, r := range p.Roles {
			part(r)
		}
		part("")
		for _, ch := range p.Channels {
			part(ch)
		}
		part("")
		b = binary.BigEndian.AppendUint64(b, uint64(p.Issued.UnixNano()))
	}
	for i := range c.subs {
		part(c.subs[i].topic.key.name)
	}
	return b
}

// identity returns the connection's principal and channels.
func (c *Conn) identity() (*tenants.Principal, []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.principal, c.channels()
}

func (c *Conn) channels() []string {
	names := make([]string, len(c.subs))
	for i := range c.subs {
		names[i] = c.subs[i].topic.key.name
	}
	return names
}
