package hub

import (
	"net"
	"syscall"
)

// writerBytes is how much a writer takes at a time.
const writerBytes = 64 << 10

// writer is the sink of connections that cannot be polled: TLS in the process, and systems without epoll. It behaves
// the same and costs two goroutines and a buffer. Closing runs in a goroutine too, because TLS sends a goodbye, which
// blocks if the other end does not read.
type writer struct {
	c      *Conn
	nc     net.Conn
	buf    []byte // being written; while busy it belongs to the writing goroutine
	busy   bool
	closed bool
	finish bool // shut down once buf is written
	work   chan struct{}
	raw    syscall.RawConn // of the TCP connection underneath; nil: there is none
}

func newWriter(c *Conn, nc net.Conn) *writer {
	s := &writer{c: c, nc: nc, work: make(chan struct{}, 1)}
	if tcp := underneath(nc); tcp != nil {
		s.raw, _ = tcp.SyscallConn()
		boundTCP(tcp, s.raw)
	}
	return s
}

// underneath returns the TCP connection that nc wraps, as TLS does; nil if there is none.
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

// reading passes on the bytes from the other end, and its close.
func (s *writer) reading() {
	var b [512]byte
	for {
		n, err := s.nc.Read(b[:])
		if !s.received(b[:n], err) {
			return
		}
	}
}

func (s *writer) received(b []byte, err error) (goOn bool) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	switch {
	case s.closed:
	case err != nil:
		if len(b) > 0 {
			s.c.receive(b)
		}
		s.c.left()
	default:
		s.c.receive(b)
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
		tcp.Close() // underneath TLS, whose goodbye would block
	}
	s.close()
}

func (s *writer) unsent() int { return outstandingRaw(s.raw) }
