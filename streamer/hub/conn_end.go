package hub

import (
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// Abandon gives up a connection that was never attached.
func (c *Conn) Abandon() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == prepared {
		c.abort(causeAbandoned)
	}
}

// leave gives back the connection's place in its topics and its slot, once. c.mu held.
func (c *Conn) leave(why cause) {
	if c.departed {
		return
	}
	c.departed = true
	if c.state != prepared {
		c.hub.classes.counters(c.class).connections.Add(-1)
		c.hub.stats.ended[why].Add(1)
		if c.unknown > 0 { // its start was to be recorded with its position, which stays unknown
			c.traceSession("")
		}
		c.traceSession(why.String())
		for i := range c.subs {
			c.subs[i].topic.post(op{kind: opUnsubscribe, sub: &c.subs[i], why: why})
		}
		if c.poll != nil {
			c.poll.answer(Result{Err: tenants.Errorf(tenants.Unavailable, "poll_ended",
				"the wait ended early; poll again")})
		}
	}
	if c.release != nil {
		c.release()
	}
}

// abort ends the connection at once. c.mu held.
func (c *Conn) abort(why cause) {
	if c.state == gone {
		return
	}
	c.leave(why)
	c.state = gone
	c.out, c.head = nil, nil
	switch {
	case c.sink == nil:
	case why == causeStalled || why == causeBacklog:
		c.sink.reset()
	default:
		c.sink.close()
	}
	c.hub.slots.remove(c.slot)
}

const drainTime = time.Second

// finish ends the connection after everything is written: the other end may read it before the connection closes.
// c.mu held.
func (c *Conn) finish(why cause) {
	c.leave(why)
	c.state = draining
	if c.sink == nil {
		c.abort(why)
		return
	}
	c.wakeAt(c.hub.now() + drainTime.Milliseconds())
	c.sink.shutdown()
}

// left is called by the sink when the other end has closed or the connection broke. c.mu held.
func (c *Conn) left() { c.abort(causeLeft) }

// due is called by the sweep at a time that was asked for.
func (c *Conn) due(w *worker, now int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	timeIsUp := c.until > 0 && c.until <= now
	switch c.state {
	case prepared:
		if timeIsUp {
			c.abort(causeAbandoned)
		}
	case serving:
		if c.expires > 0 && c.expires <= now {
			c.end(w, causeExpired)
			return
		}
		if c.warn > 0 && c.warn <= now {
			c.warnOfExpiry()
		}
		if timeIsUp && c.poll != nil {
			c.until = 0
			c.poll.late = true
			c.completePoll(w)
		}
	case closing, draining:
		if timeIsUp {
			c.abort(causeStalled)
		}
	}
}
