package hub

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/envelope"
	"github.com/hookcast/hookcast/tenants/eventlog"
)

// put writes b, which is the caller's, behind everything written before. c.mu held.
func (c *Conn) put(b []byte) {
	if len(c.out) > 0 || c.blocked {
		c.out = append(c.out, append([]byte(nil), b...))
		return
	}
	n, more, err := c.sink.write(b)
	c.sent += int64(n)
	if err != nil {
		c.left()
		return
	}
	if n < len(b) {
		c.out = append(c.out, append([]byte(nil), b[n:]...))
	}
	if !more {
		c.block(c.hub.now())
	}
}

// block notes that the sink takes nothing more, and since when something should have gone out.
func (c *Conn) block(since int64) {
	c.blocked, c.since = true, since
	c.hub.lookAfter(c)
}

// ready is the sink's: it takes bytes again. c.mu held.
func (c *Conn) ready() {
	if !c.blocked || c.state == gone {
		return
	}
	c.blocked = false
	for len(c.out) > 0 {
		n, more, err := c.sink.write(c.out[0])
		c.sent += int64(n)
		if err != nil {
			c.left()
			return
		}
		if n == len(c.out[0]) {
			c.out = c.out[1:]
		} else {
			c.out[0] = c.out[0][n:]
		}
		if !more {
			c.blocked = true
			if len(c.out) == 0 || n > 0 && c.replaying() {
				c.since = c.hub.now()
			}
			return
		}
	}
	c.out = nil
	switch c.state {
	case closing:
		c.finish(causeEnded)
	case serving:
		c.payBack()
		for i := range c.subs {
			c.subs[i].topic.post(op{kind: opPump, sub: &c.subs[i]})
		}
	}
}

// replaying tells whether the connection has yet to catch up with one of its channels. Until then any progress is good enough:
// who was cut for being slow would only begin the same event again. c.mu held.
func (c *Conn) replaying() bool {
	for i := range c.subs {
		if !c.subs[i].live {
			return true
		}
	}
	return false
}

// sendHead writes the response's head if that has not been written. c.mu must not be held.
func (c *Conn) sendHead() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == serving && c.poll == nil && !c.headOut {
		head := c.takeHead()
		if len(head) > 0 {
			c.put(head)
		}
	}
}

func (c *Conn) takeHead() []byte {
	head := c.head
	c.headOut, c.head = true, nil
	return head
}

// greet writes the first frame, once every position is known: from its id on nothing is missed. c.mu held.
func (c *Conn) greet(w *worker) {
	c.greeted = true
	o := &c.hub.o
	b := append(w.scratch[:0], c.takeHead()...)
	retry := o.RetryMin + rand.N(o.RetryMax-o.RetryMin+1)
	data := fmt.Appendf(nil, `{"connection_id":"%s","heartbeat_ms":%d}`, c.id, 2*o.Heartbeat.Milliseconds())
	b = c.format.AppendControl(b, sse.Open, data, c.cursor(), retry)
	c.put(b)
	w.scratch = b[:0]
	c.payBack()
}

// positions appends where the connection is. c.mu held.
func (c *Conn) positions(dst []int64) []int64 {
	for i := range c.subs {
		dst = append(dst, c.subs[i].pos)
	}
	return dst
}

// cursor returns where the connection is, as text. c.mu held; every position must be known.
func (c *Conn) cursor() string {
	var few [8]int64
	return string(tenants.AppendCursor(nil, c.seed, c.positions(few[:0])))
}

// gapFrame appends the frame that says what is lost. c.mu held; the position must be behind the gap already.
func (c *Conn) gapFrame(dst []byte, g eventlog.Gap) []byte {
	data := append([]byte(`{"channel":`), envelope.AppendString(nil, g.Channel)...)
	if g.Reset {
		data = append(data, `,"reset":true}`...)
	} else {
		data = strconv.AppendInt(append(data, `,"from":`...), g.From, 10)
		data = append(strconv.AppendInt(append(data, `,"to":`...), g.To, 10), '}')
	}
	return c.format.AppendControl(dst, sse.Gap, data, c.cursor(), 0)
}

// channelEnded tells the client that a channel has ended, and ends the connection with its last one. c.mu held.
func (c *Conn) channelEnded(w *worker, s *sub) {
	s.ended = true
	c.running--
	data := append(envelope.AppendString([]byte(`{"channel":`), s.topic.key.name), '}')
	if c.running > 0 {
		c.put(c.format.AppendControl(w.scratch[:0], sse.Ended, data, c.cursor(), 0))
		return
	}
	c.bid(sse.Ended, string(data), Stop, 0, causeEnded)
}

// end ends the connection with the frame that tells why. c.mu held.
func (c *Conn) end(w *worker, why cause) {
	switch {
	case c.state == prepared:
		c.abort(why)
		return
	case c.state != serving:
		return
	case c.poll != nil:
		c.refusePoll(why)
		return
	}
	o := &c.hub.o
	switch why {
	case causeExpired:
		c.bid(sse.Expired, `{"detail":"the credential has expired"}`, Stop, 0, why)
	case causeDenied:
		c.bid(sse.Denied, `{"detail":"the right to listen has ended"}`, Stop, 0, why)
	case causeDrained:
		c.bid(sse.Goodbye, `{"reason":"drain"}`, "", o.RetryMin+rand.N(o.RetryMax-o.RetryMin+1), why)
	case causeShed:
		c.bid(sse.Quota, `{"code":"connection_limit","detail":"the account has as many connections open as its limit allows"}`, "", o.RetryMax+rand.N(o.RetryMax+1), why)
	case causeClosed:
		c.bid(sse.Denied, `{"detail":"the connection was closed by its owner"}`, Stop, 0, why)
	}
}

// bid writes the control that ends the stream, and ends it. c.mu held.
func (c *Conn) bid(name, data, cursor string, retry time.Duration, why cause) {
	c.last(c.format.AppendClose(c.format.AppendControl(nil, name, []byte(data), cursor, retry), name), why)
}

// goodbye ends the connection because the node is drained. c.mu must not be held.
func (c *Conn) goodbye(w *worker) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end(w, causeDrained)
}

// closingTime is how long the last bytes of a stream may take to leave. The answer to a poll is all that there is of it, and has as long as
// anything on a stream.
const closingTime = time.Second

func (c *Conn) closingTime() time.Duration {
	if c.poll != nil {
		return c.hub.o.UnsentAge
	}
	return closingTime
}

// last writes the connection's last bytes and ends it. c.mu held.
func (c *Conn) last(b []byte, why cause) {
	if !c.headOut {
		b = append(c.takeHead(), b...)
	}
	c.put(b)
	switch {
	case c.state != serving:
	case len(c.out) == 0 && !c.blocked:
		c.finish(why)
	default:
		c.leave(why)
		c.state = closing
		c.wakeAt(c.hub.now() + c.closingTime().Milliseconds())
	}
}

// beat is the sweep's, twice in each heartbeat's time. ping and named are in the connection's format. c.mu must not be held.
func (c *Conn) beat(b *beats, now int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != serving {
		return
	}
	c.mindExpiry(now)
	if c.poll != nil || !c.headOut || !c.listen() {
		return
	}
	c.beats++
	switch {
	case c.beats%2 == 1:
		c.findStuck(now)
		return
	case c.blocked:
	case c.beats%4 == 0:
		c.put(b.named(c.format))
	default:
		c.put(b.ping(c.format))
	}
	if !c.listed {
		c.owed = c.sent
	}
}

// findStuck looks, half-way between two heartbeats, whether the other end has taken everything: at the heartbeat itself it cannot have. What
// was sent up to that has been owed since. c.mu held.
func (c *Conn) findStuck(now int64) {
	if c.listed {
		return
	}
	q := c.sink.unsent()
	if q == 0 {
		return
	}
	c.since = now - c.hub.wheelTurn()
	if c.sent-int64(q) >= c.owed {
		c.owed, c.since = c.sent, now
	}
	c.hub.lookAfter(c)
}

// lookAfter is the sweep's, each second while the connection is blocked or the other end has not taken everything; false: it no
// longer needs that.
func (c *Conn) stillStuck(now int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != serving || c.sink == nil {
		c.listed = false
		return false
	}
	if !c.blocked {
		q := c.sink.unsent()
		if q == 0 {
			c.listed = false
			return false
		}
		if c.sent-int64(q) >= c.owed { // everything that was unsent then; less would let a client live that takes a byte now and then
			c.owed, c.since = c.sent, now
		}
	}
	if now-c.since > c.hub.o.UnsentAge.Milliseconds() {
		c.abort(causeStalled)
		return false
	}
	return true
}
