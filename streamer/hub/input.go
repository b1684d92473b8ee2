package hub

// Input handles the bytes that a client sends, on a transport that allows it. Each connection has its own. Receive
// gets the next bytes, which are valid until it returns. Calls do not overlap. Receive must neither block nor call
// the hub.
type Input interface {
	Receive(b []byte) Reply
}

// Reply is the reaction to a client's bytes.
type Reply struct {
	Bytes     []byte // whole frames to write back. While the client does not read, only the last reply is kept
	Last      bool   // Bytes are the connection's last
	Violation bool   // because the client broke a rule
}

// inbound is the state of a connection whose client may send bytes.
type inbound struct {
	input  Input
	reply  []byte // to be written once the client reads
	silent uint8  // half heartbeats since the client sent anything
}

const (
	// inputMax bounds the bytes that a client may send: after its request if it must not send any, and in half a
	// heartbeat if it may.
	inputMax = 64 << 10
	// silentMax is the number of half heartbeats that a client may be silent: two pings, and time to answer the
	// second.
	silentMax = 5
)

// receive handles bytes from the client. c.mu held.
func (c *Conn) receive(b []byte) {
	if c.received += int32(len(b)); c.received > inputMax {
		c.abort(causeViolation)
		return
	}
	h := c.inbound
	if h == nil || c.state != serving {
		return
	}
	h.silent = 0
	r := h.input.Receive(b)
	switch {
	case r.Last && r.Violation:
		c.last(r.Bytes, causeViolation)
	case r.Last:
		c.last(r.Bytes, causeLeft)
	case len(r.Bytes) > 0:
		h.reply = r.Bytes
		c.writeReply()
	}
}

// writeReply writes the pending reply if nothing else is being written. c.mu held.
func (c *Conn) writeReply() {
	if h := c.inbound; h != nil && h.reply != nil && c.headOut && !c.blocked && len(c.out) == 0 && c.state == serving {
		b := h.reply
		h.reply = nil
		c.put(b)
	}
}

// checkSilence is called at each half heartbeat and cuts a client that sends nothing, not even in answer to pings. A
// blocked client gets no pings and may be silent. c.mu held.
func (c *Conn) checkSilence() (there bool) {
	h := c.inbound
	if h == nil {
		return true
	}
	c.received = 0
	if c.blocked {
		return true
	}
	if h.silent++; h.silent > silentMax {
		c.abort(causeSilent)
		return false
	}
	return true
}

// TakesInput reports whether the client may send bytes.
func (c *Conn) TakesInput() bool { return c.inbound != nil }

// Tell writes a control to the client once the stream has begun. It returns false if the connection is over.
func (c *Conn) Tell(name string, data []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != serving || !c.greeted {
		return c.state == serving
	}
	c.put(c.format.AppendControl(nil, name, data, "", 0))
	return true
}
