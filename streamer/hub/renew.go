package hub

import (
	"context"

	"github.com/hookcast/hookcast/tenants"
)

// Disconnect ends the tenant's connection of that id for good. It returns false if there is none.
func (h *Hub) Disconnect(t tenants.TenantID, id string) bool {
	c := h.find(t, id)
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != serving {
		return false
	}
	c.end(newWorker(h), causeClosed)
	return true
}

// Renew continues the tenant's connection of that id under another credential of the same principal, whose signature
// the caller has verified. Errors are those of [node.LocalConnections].
//
// Whether p may listen is decided before p counts, so that a credential without the right changes nothing, and once
// more when it counts: a right that is taken away before that is seen here, and one that is taken away later is seen
// by Recheck.
func (h *Hub) Renew(ctx context.Context, t tenants.TenantID, id string, p *tenants.Principal) error {
	c := h.find(t, id)
	if c == nil {
		return tenants.NoConnection()
	}
	return c.Renew(ctx, p)
}

// Renew is Hub.Renew for a caller that has the connection.
func (c *Conn) Renew(ctx context.Context, p *tenants.Principal) error {
	h := c.hub
	was, channels := c.identity()
	if was == nil || p.Tenant != was.Tenant || !p.SameAs(*was) {
		return tenants.Errorf(tenants.Forbidden, "connection_of_another",
			"the credential must belong to the principal that opened the connection")
	}
	if err := h.mayRenew(ctx, p, channels); err != nil {
		return err
	}
	if !c.renew(p) {
		return tenants.NoConnection()
	}
	if err := h.recheckGroup([]*Conn{c}); err != nil {
		h.Recheck(p.Tenant) // retries until it succeeds
	}
	return nil
}

func (h *Hub) mayRenew(ctx context.Context, p *tenants.Principal, channels []string) error {
	verdict, _, err := h.o.Allowed(ctx, p, channels)
	switch {
	case err != nil:
		return err
	case verdict == Expired:
		return tenants.Errorf(tenants.Unauthenticated, "token_expired", "the credential has expired")
	case verdict != Allowed:
		return tenants.Errorf(tenants.Forbidden, "channel_forbidden",
			"the credential must have the right to subscribe to every channel of the connection")
	}
	return nil
}

// renew puts the connection under p. It returns false if the connection is over.
func (c *Conn) renew(p *tenants.Principal) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != serving {
		return false
	}
	c.principal, c.expires = p, 0
	if !p.Expires.IsZero() {
		c.expires = p.Expires.UnixMilli()
	}
	c.planWarning(c.hub.now())
	c.scheduleExpiry(c.hub.now())
	return true
}

// find returns the tenant's connection of that id; nil if there is none.
func (h *Hub) find(t tenants.TenantID, id string) *Conn {
	for _, c := range h.slots.all() {
		if c.id != id {
			continue
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.state != serving || c.subs[0].topic.key.tenant != t {
			return nil
		}
		return c
	}
	return nil
}
