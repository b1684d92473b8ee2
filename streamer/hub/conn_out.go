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

// put writes b after everything written before. b stays the caller's. c.mu held.
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

// block notes that the sink accepts nothing more, and since when something should have gone out.
func (c *Conn) block(since int64) {
	c.blocked, c.since = true, since
	c.hub.watchStuck(c)
}

// ready is called by the sink when it accepts bytes again. c.mu held.
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
		c.writeReply()
		for i := range c.subs {
			c.subs[i].topic.post(op{kind: opPump, sub: &c.subs[i]})
		}
	}
}

// replaying reports whether the connection has yet to catch up with one of its channels. Until then any progress is
// enough: a client that is cut for being slow would only start the same event again. c.mu held.
func (c *Conn) replaying() bool {
	for i := range c.subs {
		if !c.subs[i].live {
			return true
		}
	}
	return false
}

// sendHead writes the response's head unless it was written. c.mu must not be held.
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

// greet writes the first frame once every position is known: after its id no event is missed. c.mu held.
func (c *Conn) greet(w *worker) {
	c.greeted = true
	o := &c.hub.o
	b := append(w.scratch[:0], c.takeHead()...)
	retry := o.RetryMin + rand.N(o.RetryMax-o.RetryMin+1)
	data := fmt.Appendf(nil, `{"connection_id":"%s","heartbeat_ms":%d}`, c.id, 2*o.Heartbeat.Milliseconds())
	b = c.format.AppendControl(b, sse.Open, data, c.cursor(), retry)
	c.put(b)
	w.scratch = b[:0]
	c.writeReply()
}

// positions appends the connection's positions. c.mu held.
func (c *Conn) positions(dst []int64) []int64 {
	for i := range c.subs {
		dst = append(dst, c.subs[i].pos)
	}
	return dst
}

// cursor returns the connection's positions as text. c.mu held; every position must be known.
func (c *Conn) cursor() string {
	var few [8]int64
	return string(tenants.AppendCursor(nil, c.seed, c.positions(few[:0])))
}

// gapFrame appends the frame that reports a gap. c.mu held; the position must already be past the gap.
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

// channelEnded tells the client that a channel has ended, and ends the connection with its last channel. c.mu held.
func (c *Conn) channelEnded(w *worker, s *sub) {
	s.ended = true
	c.running--
	data := append(envelope.AppendString([]byte(`{"channel":`), s.topic.key.name), '}')
	if c.running > 0 {
		c.put(c.format.AppendControl(w.scratch[:0], sse.Ended, data, c.cursor(), 0))
		return
	}
	c.endWith(sse.Ended, string(data), Stop, 0, causeEnded)
}

// end ends the connection with a frame that says why. c.mu held.
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
		c.endWith(sse.Expired, `{"detail":"the credential has expired"}`, Stop, 0, why)
	case causeDenied:
		c.endWith(sse.Denied, `{"detail":"the right to subscribe was taken away"}`, Stop, 0, why)
	case causeDrained:
		c.endWith(sse.Goodbye, `{"reason":"drain"}`, "", o.RetryMin+rand.N(o.RetryMax-o.RetryMin+1), why)
	case causeShed:
		c.endWith(sse.Quota,
			`{"code":"connection_limit","detail":"the account has reached its limit of connections; try again later"}`,
			"", o.RetryMax+rand.N(o.RetryMax+1), why)
	case causeClosed:
		c.endWith(sse.Denied, `{"detail":"the connection was closed by its owner"}`, Stop, 0, why)
	}
}

// endWith writes the control that ends the stream, and ends it. c.mu held.
func (c *Conn) endWith(name, data, cursor string, retry time.Duration, why cause) {
	c.last(c.format.AppendClose(c.format.AppendControl(nil, name, []byte(data), cursor, retry), name), why)
}

// goodbye ends the connection because the node is drained. c.mu must not be held.
func (c *Conn) goodbye(w *worker) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end(w, causeDrained)
}

// closingTime bounds the writing of a stream's last bytes. The response to a poll is all of its bytes and has as long
// as any byte of a stream.
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

// beat is called by the sweep twice per heartbeat. c.mu must not be held.
func (c *Conn) beat(b *beats, now int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != serving {
		return
	}
	c.scheduleExpiry(now)
	if c.poll != nil || !c.headOut || !c.checkSilence() {
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

// findStuck checks, half-way between two heartbeats, whether the other end has acknowledged everything; at the
// heartbeat itself it cannot have. Bytes sent until now are owed from now on. c.mu held.
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
	c.hub.watchStuck(c)
}

// stillStuck is called by the sweep every second while the connection is blocked or the other end has not
// acknowledged everything. It returns false when that is over.
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
		if c.sent-int64(q) >= c.owed { // all bytes of then; less would let a client live that takes a byte now and then
			c.owed, c.since = c.sent, now
		}
	}
	if now-c.since > c.hub.o.UnsentAge.Milliseconds() {
		c.abort(causeStalled)
		return false
	}
	return true
}
