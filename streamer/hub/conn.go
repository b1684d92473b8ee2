package hub

import (
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/hidden"
)

// Conn is a connection: a subscriber of one or more channels. There are many and most are idle, so it holds only what
// every connection needs, and only info and, with several channels, subs are allocated separately.
type Conn struct {
	hub  *Hub
	slot slot

	mu       sync.Mutex
	sink     sink  // nil before it is attached
	fd       int32 // of a socketSink; -1: none
	received int32 // bytes that the client sent: see receive
	state    connState
	blocked  bool // the sink accepts no bytes for now
	greeted  bool // the head and the first frame are written: events may follow
	headOut  bool
	departed bool  // has left its topics and given its slot back
	listed   bool  // in the hub's list of stuck connections
	beats    uint8 // visits by the sweep
	class    uint16
	unknown  int16 // subs whose position is not known yet
	running  int16 // subs whose channel has not ended
	seed     uint32
	// ms; if blocked, when the oldest unsent byte should have gone out; if only listed, when sent was owed
	since   int64
	until   int64 // ms; end of this state; 0: none
	expires int64 // ms; end of the credential; 0: never
	warn    int64 // ms; when to warn of that; 0: warned, or never
	sent    int64
	// the part of sent that the other end must acknowledge in time: since `since`, or if not listed, since the last
	// heartbeat
	owed   int64
	format Format
	hidden hidden.Hidden // fields of payloads that are not shown here
	out    [][]byte      // pieces to write before anything else
	subs   []sub
	one    [1]sub
	*info
}

// info holds the values that the hub needs of a connection now and then. Its fields are constant, except principal
// and head.
type info struct {
	id        string
	principal *tenants.Principal // guarded by the connection's mu
	transport string
	remote    string
	opened    time.Time
	head      []byte // guarded by the connection's mu; nil once written
	release   func()
	poll      *polling
	inbound   *inbound // nil: the client may not send anything
}

// sub is a connection's place in one topic.
type sub struct {
	conn  *Conn
	topic *topic // nil before it is subscribed; guarded by the connection's mu

	// These fields belong to the worker that runs the topic.
	index   int  // in topic.subs; -1: not there
	dirty   bool // in topic.dirty
	waiting bool // in topic.waiters
	read    bool // a page was read for it
	ahead   bool // its cursor is beyond the head, and the log is being read

	// These fields are guarded by the connection's mu.
	live  bool  // has been at the head
	ended bool  // the client was told that the channel has ended
	pos   int64 // everything up to here is written or in conn.out; -1: unknown
	bytes int64 // the topic's count of bytes at pos, once live
}

type connState uint8

const (
	prepared connState = iota // by the route; no topic knows it
	serving
	closing  // its last bytes are being written
	draining // waits for the other end to close
	gone
)

// Open prepares a connection in the route; Attach or Wait starts it. On an error the subscription's Release is not
// called; while the hub is drained the error is of kind Unavailable, code draining.
func (h *Hub) Open(s Subscription) (*Conn, error) {
	n := len(s.Channels)
	if n == 0 || n > tenants.MaxChannels || s.Positions != nil && len(s.Positions) != n ||
		s.Format == nil && s.Poll == nil {
		return nil, tenants.Errorf(tenants.Internal, "subscription_malformed",
			"a subscription with %d channels and %d positions is malformed", n, len(s.Positions))
	}
	if h.draining.Load() {
		return nil, tenants.Errorf(tenants.Unavailable, "draining",
			"this node is going out of service; another node serves the request")
	}
	c := &Conn{
		hub: h, fd: -1, format: s.Format, seed: tenants.CursorSeed(s.Channels), running: int16(n),
		info: &info{id: s.ID, principal: s.Principal, transport: s.Transport, remote: s.Remote, opened: time.Now(),
			head: s.Head, release: s.Release},
	}
	if c.id == "" {
		c.id = tenants.NewID(tenants.PrefixConnection)
	}
	if s.Poll != nil {
		c.poll, c.headOut = newPolling(*s.Poll), true
	}
	c.class = h.classes.of(Class{s.Transport, s.Plan})
	if s.Input != nil {
		c.inbound = &inbound{input: s.Input}
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
	for i, name := range s.Channels { // a topic made here may be idle until Attach; it is removed like any other
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

// Position returns how far the connection is in its first channel: everything up to there was written or is about to
// be. It returns 0 while the position is unknown.
func (c *Conn) Position() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(0, c.subs[0].pos)
}

// over reports whether the connection has left its topics, or is about to.
func (c *Conn) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state != serving
}

// from returns the position that the subscriber starts at; -1: the present.
func (s *sub) from() int64 {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	return s.pos
}

// serve subscribes the connection to its channels; s is nil for a poll that Wait serves. c.mu held.
func (c *Conn) serve(s sink) {
	c.sink, c.state, c.until = s, serving, 0
	tally := c.hub.classes.counters(c.class)
	tally.connections.Add(1)
	tally.accepted.Add(1)
	if c.poll != nil {
		c.wakeAt(c.hub.now() + c.poll.patience().Milliseconds())
	}
	if c.unknown == 0 {
		c.traceSession("")
	}
	c.planWarning(c.hub.now())
	c.scheduleExpiry(c.hub.now())
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

// begins is called once the connection's position in each of its channels is known. Nothing is written to it before.
// c.mu held.
func (c *Conn) begins() {
	c.traceSession("")
	if len(c.subs) > 1 {
		for i := range c.subs {
			c.subs[i].topic.post(op{kind: opPump, sub: &c.subs[i]})
		}
	}
}

// wakeAt makes the sweep visit the connection at the time given, the end of its state. c.mu held.
func (c *Conn) wakeAt(ms int64) {
	c.until = ms
	c.hub.deadlines.add(ms, c.slot)
}
