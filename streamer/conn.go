package streamer

import (
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// conn is a connection while the HTTP server owns it. A stream takes it over by detach, so that only the bare TCP
// connection lives for hours.
type conn struct {
	net.Conn
	listener *listener
	address  netip.Prefix // counted by addressCounts
	begun    atomic.Bool  // no longer one of the listener's starting connections
	gone     atomic.Bool  // closed or detached

	// The rest belongs to the goroutine that serves the connection.
	abandon  func() // gives up a hijack whose handler has not run; called by Close
	linger   bool   // the client may still be sending: see Close
	headSeen bool   // the first request's head has been checked
	last     byte   // before headSeen
	line     int    // bytes since the last LF
	lines    int    // lines of the head that are not empty
}

// errBareLF refuses a head with a line that ends in LF alone. RFC 9112 section 2.2 lets a recipient accept such a
// line, and two servers in a row that disagree about it disagree about the end of a request. fasthttp v1.74 accepts
// it after a request line or a header, and waits for more if it ends the head. conn checks the first request of a
// connection; checkFraming checks the others as far as it can.
var errBareLF = errors.New("bare LF in a request's head")

func (c *conn) Read(p []byte) (int, error) {
	c.begin()
	n, err := c.Conn.Read(p)
	if !c.headSeen && !c.headOK(p[:n]) {
		return 0, errBareLF
	}
	return n, err
}

// begin notes that the connection's goroutine has had its turn, or that there will be none.
func (c *conn) begin() {
	if !c.begun.Load() && !c.begun.Swap(true) {
		<-c.listener.starting
	}
}

func (c *conn) headOK(b []byte) bool {
	for _, ch := range b {
		if ch == '\n' {
			if c.last != '\r' {
				c.headSeen = true
				return false
			}
			if c.line > 1 {
				c.lines++
			} else if c.lines > 0 {
				c.headSeen = true
				return true
			}
			c.line = -1
		}
		c.last = ch
		c.line++
	}
	return true
}

const (
	lingerTime  = time.Second
	lingerBytes = 4 << 20
)

// Close closes the connection. If the client may still be sending (the response came before the end of its body),
// Close first sends FIN and reads the rest, within bounds: after a close with unread input the kernel sends RST,
// which can destroy the response on its way (RFC 9112 section 9.6).
func (c *conn) Close() error {
	if c.gone.Swap(true) {
		return net.ErrClosed
	}
	c.begin()
	if c.abandon != nil {
		c.abandon()
	}
	if c.linger {
		c.drain()
	}
	err := c.Conn.Close()
	c.listener.addresses.giveBack(c.address)
	c.listener.open.Add(-1)
	return err
}

func (c *conn) drain() {
	w, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || w.CloseWrite() != nil || c.Conn.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	var scratch [4 << 10]byte
	for total := 0; total < lingerBytes; {
		n, err := c.Conn.Read(scratch[:])
		if err != nil {
			return
		}
		total += n
	}
}

// detach gives the connection to a new owner, who must call the listener's released after closing it. It returns nil
// if the connection is closed.
func (c *conn) detach() net.Conn {
	if c.gone.Swap(true) {
		return nil
	}
	c.begin()
	c.abandon = nil
	c.listener.addresses.giveBack(c.address)
	c.listener.attached.Add(1)
	c.listener.open.Add(-1)
	return c.Conn
}
