package hub

import (
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/hidden"
)

// Conn is a connection: a subscriber of one or more channels. There are many of them and most are idle, so that what is here is
// what every one needs, and nothing of it is allocated apart but info and, with several channels, subs.
type Conn struct {
	hub  *Hub
	slot slot

	mu      sync.Mutex
	sink    sink  // nil before it is attached
	fd      int32 // of a socketSink; -1: none
	junk    int32 // bytes that the client sent: see heard
	state   connState
	blocked bool // the sink takes nothing for now
	greeted bool // the head and the first frame are out: events may follow
	headOut bool
	parted  bool  // has left its topics and given its slot back
	listed  bool  // in the hub's list of those to look after
	beats   uint8 // visits by the sweep
	class   uint16
	unknown int16 // subs whose position is not known yet
	running int16 // subs whose channel has not ended
	seed    uint32
	since   int64 // ms; with blocked: when the oldest unsent byte should have gone out. With listed alone: when sent was owed
	until   int64 // ms; when this state is over; 0: no such time
	expires int64 // ms; when the credential is over; 0: never
	warn    int64 // ms; when to tell that it will be; 0: told, or never
	sent    int64
	owed    int64 // what of sent the other end is to have acknowledged before since, or with listed false the last heartbeat, is too long ago
	format  Format
	hidden  hidden.Hidden // what of payloads is not shown here
	out     [][]byte      // what is to go out before anything else, in pieces
	subs    []sub
	one     [1]sub
	*info
}

// info is what the hub needs of a connection now and then. Its fields are constant but principal and head.
type info struct {
	id        string
	principal *tenants.Principal // guarded by the connection's mu
	transport string
	remote    string
	opened    time.Time
	head      []byte // guarded by the connection's mu; nil once written
	release   func()
	poll      *polling
	hearing   *hearing // nil: nobody listens to the client
}

// sub is a connection's place in one topic.
type sub struct {
	conn  *Conn
	topic *topic // nil before it is subscribed; guarded by the connection's mu

	// These belong to the worker that runs the topic.
	index   int  // in topic.subs; -1: not there
	dirty   bool // in topic.dirty
	waiting bool // in topic.waiters
	read    bool // has had a page read
	ahead   bool // its cursor is beyond the head, and the log is being asked

	// These are guarded by the connection's mu.
	live  bool  // has been at the head
	ended bool  // has been told so
	pos   int64 // everything up to here is out, or in conn.out; -1: not known yet
	bytes int64 // the topic's count of bytes at pos, once live
}

type connState uint8

const (
	prepared connState = iota // by the route; no topic knows it
	serving
	closing  // its last bytes are on their way out
	draining // the other end is to close
	gone
)

// Open prepares a connection in the route; Attach or Wait brings it to life. On error the subscription's Release is not called:
// kind Unavailable, code draining, while the hub is drained.
func (h *Hub) Open(s Subscription) (*Conn, error) {
	n := len(s.Channels)
	if n == 0 || n > tenants.MaxChannels || s.Positions != nil && len(s.Positions) != n || s.Format == nil && s.Poll == nil {
		return nil, tenants.Errorf(tenants.Internal, "subscription_malformed", "%d channels, %d positions", n, len(s.Positions))
	}
	if h.draining.Load() {
		return nil, tenants.Errorf(tenants.Unavailable, "draining", "this node is about to stop")
	}
	c := &Conn{
		hub: h, fd: -1, format: s.Format, seed: tenants.CursorSeed(s.Channels), running: int16(n),
		info: &info{id: s.ID, principal: s.Principal, transport: s.Transport, remote: s.Remote, opened: time.Now(), head: s.Head, release: s.Release},
	}
	if c.id == "" {
		c.id = tenants.NewID(tenants.PrefixConnection)
	}
	if s.Poll != nil {
		c.poll, c.headOut = newPolling(*s.Poll), true
	}
	c.class = h.classes.of(Class{s.Transport, s.Plan})
	if s.Ears != nil {
		c.hearing = &hearing{ears: s.Ears}
	}
	c.subs = c.one[:]
	if n > 1 {
		c.subs = make([]sub, n)
	}
	for i := range c.subs {
		c.subs[i] = sub{conn: c, index: -1, pos: -1}
		if s.Positions != nil {
			c.subs[i].pos = s.Positions[i]
		} else {
			c.unknown++
		}
	}
	for i, name := range s.Channels { // a topic may be made here and be idle until Attach; it is given up again like any other
		c.subs[i].topic = h.topic(topicKey{s.Tenant, name})
	}
	if s.Principal != nil && !s.Principal.Expires.IsZero() {
		c.expires = s.Principal.Expires.UnixMilli()
	}
	h.traceTenant(s.Tenant, s.Traced)
	h.slots.add(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wakeAt(h.now() + h.o.Attach.Milliseconds())
	return c, nil
}

// ID returns the connection's id.
func (c *Conn) ID() string { return c.id }

// Position returns how far the connection is in its first channel: everything up to there was written to it, or is about to be; 0 before that is
// known.
func (c *Conn) Position() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(0, c.subs[0].pos)
}

// over tells whether the connection has left its topics, or is about to.
func (c *Conn) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state != serving
}

// from returns the position that the subscriber begins at; -1: now.
func (s *sub) from() int64 {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	return s.pos
}

// serve subscribes the connection to its channels; s is nil for a poll that somebody waits for. c.mu held.
func (c *Conn) serve(s sink) {
	c.sink, c.state, c.until = s, serving, 0
	tally := c.hub.classes.tally(c.class)
	tally.connections.Add(1)
	tally.accepted.Add(1)
	if c.poll != nil {
		c.wakeAt(c.hub.now() + c.poll.patience().Milliseconds())
	}
	if c.unknown == 0 {
		c.traceSession("")
	}
	c.planWarning(c.hub.now())
	c.mindExpiry(c.hub.now())
	for i := range c.subs {
		sub := &c.subs[i]
		for !sub.topic.post(op{kind: opSubscribe, sub: sub}) { // removed since
			sub.topic = c.hub.topic(sub.topic.key)
		}
	}
	if s != nil {
		if err := s.start(); err != nil {
			c.abort(causeLeft)
		}
	}
}

// begins is told once it is known where the connection begins in each of its channels. Nothing is given to it before. c.mu held.
func (c *Conn) begins() {
	c.traceSession("")
	if len(c.subs) > 1 {
		for i := range c.subs {
			c.subs[i].topic.post(op{kind: opPump, sub: &c.subs[i]})
		}
	}
}

// Abandon gives up a connection that was never attached.
func (c *Conn) Abandon() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == prepared {
		c.abort(causeAbandoned)
	}
}

// wakeAt has the sweep look at the connection at the time given, when its state is over. c.mu held.
func (c *Conn) wakeAt(ms int64) {
	c.until = ms
	c.hub.deadlines.add(ms, c.slot)
}

// leave gives back the connection's place in its topics and its slot, once. c.mu held.
func (c *Conn) leave(why cause) {
	if c.parted {
		return
	}
	c.parted = true
	if c.state != prepared {
		c.hub.classes.tally(c.class).connections.Add(-1)
		c.hub.stats.ended[why].Add(1)
		if c.unknown > 0 { // its coming was to be recorded once it is known where it begins
			c.traceSession("")
		}
		c.traceSession(why.String())
		for i := range c.subs {
			c.subs[i].topic.post(op{kind: opUnsubscribe, sub: &c.subs[i], why: why})
		}
		if c.poll != nil {
			c.poll.answer(Result{Err: tenants.Errorf(tenants.Unavailable, "poll_ended", "the wait has ended early")})
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

// finish ends the connection once everything is written: the other end gets to read it before the connection goes. c.mu held.
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

// left is the sink's: the other end has closed, or the connection broke. c.mu held.
func (c *Conn) left() { c.abort(causeLeft) }

// due is the sweep's, at a time that was asked for.
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
