package hub

// Ears take what a client says, on a transport that lets it speak. Each connection has its own. Hear is called with the next bytes, which
// are good until it returns, by one goroutine at a time, and must neither block nor call the hub.
type Ears interface {
	Hear(b []byte) Reply
}

// Reply is what comes of what a client said.
type Reply struct {
	Bytes []byte // to be written back, in whole frames. While the client does not read, only the last reply is kept for it
	Last  bool   // they are the connection's last
	Rude  bool   // because the client broke a rule
}

// hearing is what a connection whose client may speak needs beside others.
type hearing struct {
	ears  Ears
	owed  []byte // a reply that is to go out once the client reads
	quiet uint8  // half heartbeats since it said anything
}

const (
	// heardMax is how much a client may send: behind its request, where nobody listens, and in half a heartbeat where somebody does.
	heardMax = 64 << 10
	// quietMax is how many half heartbeats a client may be silent: two pings, and time to answer the second.
	quietMax = 5
)

// heard takes what the client sent. c.mu held.
func (c *Conn) heard(b []byte) {
	if c.junk += int32(len(b)); c.junk > heardMax {
		c.abort(causeRude)
		return
	}
	h := c.hearing
	if h == nil || c.state != serving {
		return
	}
	h.quiet = 0
	r := h.ears.Hear(b)
	switch {
	case r.Last && r.Rude:
		c.last(r.Bytes, causeRude)
	case r.Last:
		c.last(r.Bytes, causeLeft)
	case len(r.Bytes) > 0:
		h.owed = r.Bytes
		c.payBack()
	}
}

// payBack writes the reply that is owed, where nothing is under way. c.mu held.
func (c *Conn) payBack() {
	if h := c.hearing; h != nil && h.owed != nil && c.headOut && !c.blocked && len(c.out) == 0 && c.state == serving {
		b := h.owed
		h.owed = nil
		c.put(b)
	}
}

// listen is the beat's: it cuts a client that says nothing, not even in answer to pings. While it takes nothing it gets none. c.mu held.
func (c *Conn) listen() (there bool) {
	h := c.hearing
	if h == nil {
		return true
	}
	c.junk = 0
	if c.blocked {
		return true
	}
	if h.quiet++; h.quiet > quietMax {
		c.abort(causeSilent)
		return false
	}
	return true
}

// Hears tells whether the client may speak.
func (c *Conn) Hears() bool { return c.hearing != nil }

// Tell writes a control to the client, once the stream has begun; false: the connection is over.
func (c *Conn) Tell(name string, data []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != serving || !c.greeted {
		return c.state == serving
	}
	c.put(c.format.AppendControl(nil, name, data, "", 0))
	return true
}
