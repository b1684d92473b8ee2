package hub

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

const (
	pollMax   = 100
	pollBytes = 1 << 20 // of payloads; then the response is full
	// openingTime bounds how long a poll with Wait 0 waits for its channels to be opened.
	openingTime = 5 * time.Second
)

// polling is the state of a long poll. The connection's mu guards it.
type polling struct {
	wait    time.Duration
	max     int
	respond func(Result) []byte
	items   []Item
	bytes   int
	late    bool // the wait is over
	given   bool
	result  chan Result // holds one, for Wait
}

func newPolling(p Poll) *polling {
	n := p.Max
	if n <= 0 {
		n = pollMax
	}
	return &polling{wait: p.Wait, max: n, respond: p.Respond, result: make(chan Result, 1)}
}

func (p *polling) full() bool { return len(p.items) >= p.max || p.bytes >= pollBytes }

func (p *polling) patience() time.Duration {
	if p.wait <= 0 {
		return openingTime
	}
	return p.wait
}

// answer gives the result to Wait and returns the response for the connection; nil after the first call.
func (p *polling) answer(r Result) []byte {
	if p.given {
		return nil
	}
	p.given = true
	p.result <- r
	if p.respond == nil {
		return nil
	}
	return p.respond(r)
}

// Wait serves a long poll in the calling goroutine, instead of Attach, if the caller writes the response. The error
// is ctx's or Result.Err.
func (c *Conn) Wait(ctx context.Context) (Result, error) {
	c.mu.Lock()
	if c.poll == nil || c.state != prepared {
		c.mu.Unlock()
		return Result{}, tenants.Errorf(tenants.Unavailable, "poll_lapsed",
			"the poll lapsed before it began; poll again")
	}
	c.serve(nil)
	c.mu.Unlock()
	select {
	case r := <-c.poll.result:
		return r, r.Err
	case <-ctx.Done():
		c.mu.Lock()
		defer c.mu.Unlock()
		c.abort(causeLeft)
		return Result{}, tenants.Errorf(tenants.Unavailable, "cancelled", "%w", ctx.Err())
	}
}

// collect takes the available events for a poll. c.mu held.
func (w *worker) collect(t *topic, s *sub) {
	c := s.conn
	p := c.poll
	for s.pos < t.head && !p.full() {
		seg := t.locate(s.pos)
		if seg == nil {
			t.want(s, s.pos)
			break
		}
		for i := seg.find(s.pos); i < len(seg.entries) && !p.full(); i++ {
			e := &seg.entries[i]
			if e.gap != nil {
				g := *e.gap
				g.From = max(g.From, s.pos+1)
				p.items = append(p.items, Item{Gap: &g})
				w.hub.stats.gaps.Add(1)
			} else {
				shown := seg.view(i, c.hidden)
				p.items = append(p.items, Item{Event: shown})
				p.bytes += len(shown.Data)
				if e.event.Trace != nil {
					if y := t.tallyOf(e.event); y != nil {
						y.wrote(c.hidden, len(shown.Data), !s.live)
					}
				}
			}
			s.pos = e.last
		}
	}
	if s.live = s.pos == t.head; s.live && t.ended != s.ended {
		if s.ended = t.ended; s.ended {
			c.running--
		} else {
			c.running++
		}
	}
	c.completePoll(w)
}

// completePoll answers the poll if it is due. It waits until every channel has caught up, so that a channel with a
// backlog does not hide the others. c.mu held.
func (c *Conn) completePoll(w *worker) {
	p := c.poll
	caught := true
	for i := range c.subs {
		caught = caught && c.subs[i].live
	}
	switch {
	case p.given:
	case p.late && (c.unknown > 0 || !caught && len(p.items) == 0):
		c.respond(Result{Err: tenants.Errorf(tenants.Unavailable, "channel_unavailable",
			"the channel cannot be read at the moment; try again later")}, causePolled)
	case p.full() || p.late || caught && (len(p.items) > 0 || p.wait <= 0 || c.running == 0):
		r := Result{Items: p.items, Cursor: c.cursor()}
		if caught && c.running == 0 {
			r.Cursor = Stop
		}
		n := w.count(c.class)
		n.deliveries += int64(len(p.items))
		n.bytes += int64(p.bytes)
		c.respond(r, causePolled)
	}
}

// refusePoll ends the poll for another reason. c.mu held.
func (c *Conn) refusePoll(why cause) {
	switch why {
	case causeExpired:
		c.respond(Result{Err: tenants.Errorf(tenants.Unauthenticated, "credential_expired",
			"the credential has expired")}, why)
	case causeDenied:
		c.respond(Result{Err: tenants.Errorf(tenants.Forbidden, "subscribe_denied",
			"the right to subscribe was taken away")}, why)
	default:
		c.respond(Result{Err: tenants.Errorf(tenants.Unavailable, "poll_ended", "the wait ended early; poll again")},
			why)
	}
}

// respond ends the connection with the poll's response. c.mu held.
func (c *Conn) respond(r Result, why cause) {
	b := c.poll.answer(r)
	c.poll.items = nil
	if c.sink == nil {
		c.abort(why)
		return
	}
	c.last(b, why)
}
