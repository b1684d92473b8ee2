package hub

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/tenants/envelope"
)

// The client is warned before its credential expires, so that it can renew the connection instead of losing it: a
// fifth of the credential's life before, a minute at most. Each connection is warned at a random moment in the first
// half of that time, because credentials that were issued together expire together.
const (
	warnPart   = 5
	warnAtMost = time.Minute
)

// planWarning decides when to warn the client that its credential expires. c.mu held.
func (c *Conn) planWarning(now int64) {
	c.warn = 0
	if c.expires == 0 || c.poll != nil {
		return
	}
	life := c.expires - now
	if p := c.principal; p != nil && !p.Issued.IsZero() {
		life = c.expires - p.Issued.UnixMilli()
	}
	ahead := min(life/warnPart, warnAtMost.Milliseconds())
	c.warn = max(1, c.expires-ahead/2-rand.N(ahead/2+1))
}

// scheduleExpiry makes the sweep visit the connection at the warning and at the expiry, if these are due before the
// wheel comes round again. c.mu held.
func (c *Conn) scheduleExpiry(now int64) {
	for _, at := range []int64{c.warn, c.expires} {
		if at > 0 && at < now+c.hub.wheelTurn() {
			c.hub.deadlines.add(at, c.slot)
		}
	}
}

// expireBy sets the end of the credential to at, unless it ends sooner. The zero time changes nothing.
func (c *Conn) expireBy(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at.IsZero() || c.expires > 0 && c.expires <= at.UnixMilli() {
		return
	}
	c.expires = at.UnixMilli()
	c.planWarning(c.hub.now())
	if c.state == serving {
		c.scheduleExpiry(c.hub.now())
	}
}

// warnOfExpiry warns the client that its credential expires, once, and not before its first frame. c.mu held.
func (c *Conn) warnOfExpiry() {
	if !c.greeted {
		c.warn = c.hub.now() + time.Second.Milliseconds()
		c.hub.deadlines.add(c.warn, c.slot)
		return
	}
	c.warn = 0
	data := fmt.Appendf(nil, `{"connection_id":"%s","expires_at":`, c.id)
	data = append(envelope.AppendTime(data, time.UnixMilli(c.expires).UTC()), '}')
	c.put(c.format.AppendControl(nil, sse.Expiring, data, "", 0))
}
