package hub

import (
	"net"
	"syscall"
)

// writerBytes is how much a writer takes at a time.
const writerBytes = 64 << 10

// writer is the sink of connections that cannot be polled: TLS in the process, and systems without epoll. It costs two
// goroutines and a buffer; it behaves the same. Closing has a goroutine, too: TLS says goodbye to the other end, which
// waits where that does not read.
type writer struct {
	c      *Conn
	nc     net.Conn
	buf    []byte // on its way; with busy it belongs to write's goroutine
	busy   bool
	closed bool
	finish bool // shut down once buf is out
	work   chan struct{}
	raw    syscall.RawConn // of the TCP connection underneath; nil: there is none that can be asked
}

func newWriter(c *Conn, nc net.Conn) *writer {
	s := &writer{c: c, nc: nc, work: make(chan struct{}, 1)}
	if tcp := underneath(nc); tcp != nil {
		s.raw, _ = tcp.SyscallConn()
		boundTCP(tcp, s.raw)
	}
	return s
}

// underneath returns the TCP connection that nc stands on, as TLS does; nil where there is none.
func underneath(nc net.Conn) *net.TCPConn {
	for {
		switch c := nc.(type) {
		case *net.TCPConn:
			return c
		case interface{ NetConn() net.Conn }:
			nc = c.NetConn()
		default:
			return nil
		}
	}
}

func (s *writer) start() error {
	s.c.hub.wg.Go(s.writing)
	s.c.hub.wg.Go(s.reading)
	return nil
}

func (s *writer) write(b []byte) (n int, more bool, err error) {
	if s.closed {
		return 0, false, net.ErrClosed
	}
	if s.busy {
		return 0, false, nil
	}
	n = min(len(b), writerBytes)
	s.buf = append(s.buf[:0], b[:n]...)
	s.busy = true
	s.work <- struct{}{}
	return n, false, nil
}

func (s *writer) writing() {
	for range s.work {
		_, err := s.nc.Write(s.buf)
		if !s.written(err) {
			return
		}
	}
}

func (s *writer) written(err error) (goOn bool) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.busy = false
	if cap(s.buf) > 4<<10 {
		s.buf = nil
	}
	if err != nil {
		s.c.left()
	} else {
		s.c.ready()
	}
	if s.finish && !s.busy {
		s.closeWrite()
	}
	return !s.closed
}

// reading finds out that the other end has gone, and throws away what it sends.
func (s *writer) reading() {
	var b [512]byte
	for {
		n, err := s.nc.Read(b[:])
		if !s.heard(b[:n], err) {
			return
		}
	}
}

func (s *writer) heard(b []byte, err error) (goOn bool) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	switch {
	case s.closed:
	case err != nil:
		if len(b) > 0 {
			s.c.heard(b)
		}
		s.c.left()
	default:
		s.c.heard(b)
	}
	return !s.closed
}

func (s *writer) shutdown() {
	if s.busy {
		s.finish = true
		return
	}
	s.closeWrite()
}

func (s *writer) closeWrite() {
	s.finish = false
	if half, ok := s.nc.(interface{ CloseWrite() error }); ok && !s.closed {
		s.c.hub.wg.Go(func() { half.CloseWrite() })
	} else {
		s.c.left()
	}
}

func (s *writer) close() {
	if !s.closed {
		s.closed = true
		close(s.work)
		s.c.hub.wg.Go(func() { s.nc.Close() })
	}
}

func (s *writer) reset() {
	if tcp := underneath(s.nc); tcp != nil && !s.closed {
		tcp.SetLinger(0)
		tcp.Close() // under TLS, whose goodbye would wait
	}
	s.close()
}

func (s *writer) unsent() int { return outstandingRaw(s.raw) }
