package streamer

import (
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// conn is a connection while the HTTP server owns it. It is let go when a stream takes the connection over (detach), so
// that what lives for hours is the bare TCP connection.
type conn struct {
	net.Conn
	listener *listener
	peer     netip.Prefix // by which it is counted; see peers
	begun    atomic.Bool  // no longer one of the listener's starting ones
	gone     atomic.Bool  // closed or detached

	// The rest belongs to the goroutine that serves the connection.
	abandon  func() // what the route prepared and no hijack handler took; called by Close
	linger   bool   // the client may still be sending: see Close
	headSeen bool   // the first request's head has been looked at
	last     byte   // while it has not
	line     int    // bytes since the last LF
	lines    int    // that were not empty
}

// errBareLF refuses a line of a head that ends in LF alone. RFC 9112 section 2.2 lets a recipient take it, and two servers in a row that
// disagree about it disagree about where a request ends. fasthttp v1.74 takes it after a request line or a header and waits for more
// where it ends the head. Here the first request of a connection is looked at; those that follow it, by checkFraming as far as it sees.
var errBareLF = errors.New("bare LF in a request's head")

func (c *conn) Read(p []byte) (int, error) {
	c.begin()
	n, err := c.Conn.Read(p)
	if !c.headSeen && !c.headOK(p[:n]) {
		return 0, errBareLF
	}
	return n, err
}

// begin says that the goroutine which serves the connection has had its turn, or that none will.
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

// Close closes the connection. Where the client may still be sending (an answer that came before the end of its body), it first
// sends FIN and reads the rest, bounded: a close with input unread makes the kernel send RST, which can destroy the
// answer on its way (RFC 9112 section 9.6).
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
	c.listener.peers.giveBack(c.peer)
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

// detach gives the connection away, to an owner that calls the listener's released when it has closed it. nil where it is
// closed already.
func (c *conn) detach() net.Conn {
	if c.gone.Swap(true) {
		return nil
	}
	c.begin()
	c.abandon = nil
	c.listener.peers.giveBack(c.peer)
	c.listener.attached.Add(1)
	c.listener.open.Add(-1)
	return c.Conn
}
