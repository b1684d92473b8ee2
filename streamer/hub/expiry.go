package hub

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/tenants/envelope"
)

// A credential that comes to its end is told of ahead, so that its holder can renew the connection rather than lose it: a
// fifth of the credential's life before, a minute at most. Each connection is told at a moment of its own in the first half of
// that time, since credentials that were made together end together.
const (
	warnPart   = 5
	warnAtMost = time.Minute
)

// planWarning decides when the client is told that its credential comes to its end. c.mu held.
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

// mindExpiry has the sweep look at the connection when its credential is over, and when that is to be told, if it is before the wheel
// comes round again. c.mu held.
func (c *Conn) mindExpiry(now int64) {
	for _, at := range []int64{c.warn, c.expires} {
		if at > 0 && at < now+c.hub.wheelTurn() {
			c.hub.deadlines.add(at, c.slot)
		}
	}
}

// endBy says that the credential is over at the time given, unless it is over sooner; zero: nothing is said.
func (c *Conn) endBy(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at.IsZero() || c.expires > 0 && c.expires <= at.UnixMilli() {
		return
	}
	c.expires = at.UnixMilli()
	c.planWarning(c.hub.now())
	if c.state == serving {
		c.mindExpiry(c.hub.now())
	}
}

// warnOfExpiry tells the client that its credential comes to its end, once, and not before its first frame. c.mu held.
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
