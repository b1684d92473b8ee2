package streamer

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// listener wraps the socket, because fasthttp ends its accept loop, and with it the process, at the first EMFILE, and
// forgets every hijacked connection. The listener returns no error before it is closed, counts every connection until
// it is closed, wherever that happens, and keeps one descriptor in reserve, so that it can refuse a client when no
// other is left.
//
// It accepts no faster than connections get their turn. At most startingPerCPU connections per CPU are accepted and
// have not begun to read their request; the others wait in the kernel's backlog, in order. Otherwise a storm of
// connects would fill the scheduler's queue with goroutines, and each step of all other work (a publish, a commit, a
// fan-out) would wait for all of them.
//
// It has two bounds. From the mark on (0.92 of the descriptors) readiness is red and routes open no more streams,
// while probes, the API and open streams are served. From the wall on (halfway between mark and limit) a connection
// is closed as soon as it is accepted, without a response on purpose: a browser's EventSource reconnects after a
// broken connection and never after a 503 (HTML Living Standard, 9.2.3, "fail the connection").
type listener struct {
	inner      net.Listener
	mark, wall int64
	starting   chan struct{} // one item per connection being accepted or not begun: see conn.begin
	log        *slog.Logger

	open      atomic.Int64 // connections that this listener's conns hold
	attached  atomic.Int64 // connections that detach gave away and whose owner has not called released
	refused   atomic.Int64
	addresses addressCounts
	starved   atomic.Bool // the last accept found no free descriptor
	crowded   atomic.Bool // the mark was reached, and a twentieth of it has not become free since

	reserve *os.File // owned by Accept, which the server calls from one goroutine
	closed  chan struct{}
	once    sync.Once
}

const startingPerCPU = 16

const (
	acceptBackoffMin = 5 * time.Millisecond
	acceptBackoffMax = time.Second
)

// newListener wraps inner and owns it: closing the listener closes inner.
func newListener(inner net.Listener, log *slog.Logger) *listener {
	n := descriptorLimit()
	l := &listener{
		inner: inner, mark: n * 92 / 100, starting: make(chan struct{}, startingPerCPU*runtime.GOMAXPROCS(0)), log: log,
		closed: make(chan struct{}),
	}
	l.wall = (l.mark + n) / 2
	l.reserve, _ = os.Open(os.DevNull)
	return l
}

// descriptorLimit returns how many descriptors the process may hold. Go raises the soft limit to the hard one when a
// program starts.
func descriptorLimit() int64 {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil || r.Cur == 0 || r.Cur > 1<<30 {
		return 1 << 30
	}
	return int64(r.Cur)
}

// Accept returns the next connection to serve, and io.EOF once the listener is closed.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case l.starting <- struct{}{}:
	case <-l.closed:
		return nil, io.EOF
	}
	c, err := l.next()
	if err != nil {
		<-l.starting
		return nil, err
	}
	return c, nil
}

func (l *listener) next() (*conn, error) {
	backoff := acceptBackoffMin
	for {
		c, err := l.inner.Accept()
		switch {
		case err == nil && l.count() >= l.wall:
			l.refuse(c)
		case err == nil:
			l.starved.Store(false)
			if l.reserve == nil {
				l.reserve, _ = os.Open(os.DevNull)
			}
			who, ok := l.addresses.take(c.RemoteAddr())
			if !ok {
				l.refuse(c)
				continue
			}
			l.open.Add(1)
			return &conn{Conn: c, listener: l, address: who}, nil
		case errors.Is(err, net.ErrClosed):
			return nil, io.EOF
		default:
			if !l.starved.Swap(true) {
				l.log.Error("cannot accept connections", "error", err.Error(), "open", l.count())
			}
			if (errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)) && l.spendReserve() {
				backoff = acceptBackoffMin
				continue
			}
			if !l.pause(backoff) {
				return nil, io.EOF
			}
			backoff = min(2*backoff, acceptBackoffMax)
		}
	}
}

// spendReserve closes the connection at the head of the backlog, which would otherwise wait for a response that
// nobody can give. It returns false if there was none, or no reserve.
func (l *listener) spendReserve() bool {
	spent := false
	if l.reserve != nil {
		l.reserve.Close()
		if d, ok := l.inner.(interface{ SetDeadline(time.Time) error }); ok {
			d.SetDeadline(time.Now().Add(acceptBackoffMin)) // the client may have gone meanwhile
			defer d.SetDeadline(time.Time{})
		}
		if c, err := l.inner.Accept(); err == nil {
			l.refuse(c)
			spent = true
		}
	}
	l.reserve, _ = os.Open(os.DevNull)
	return spent
}

func (l *listener) refuse(c net.Conn) {
	c.Close()
	if n := l.refused.Add(1); n&(n-1) == 0 { // one line for each doubling, so that a storm does not fill the disk
		l.log.Warn("refusing connections", "open", l.count(), "refused", n)
	}
}

// pause waits for d. It returns false if the listener was closed meanwhile.
func (l *listener) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-l.closed:
		return false
	}
}

// count returns the number of open connections, including those that the hub holds.
func (l *listener) count() int64 { return l.open.Load() + l.attached.Load() }

// full reports whether this node should open no more streams. Once the mark was reached it stays full until enough
// room is free again: if readiness flapped with every client that leaves, a load balancer would send the next one.
func (l *listener) full() bool {
	switch n := l.count(); {
	case n >= l.mark:
		l.crowded.Store(true)
	case n <= l.mark*19/20:
		l.crowded.Store(false)
	}
	return l.crowded.Load() || l.starved.Load()
}

// released notes that a connection given away by conn.detach is closed.
func (l *listener) released() { l.attached.Add(-1) }

func (l *listener) Addr() net.Addr { return l.inner.Addr() }

func (l *listener) Close() error {
	err := net.ErrClosed
	l.once.Do(func() {
		close(l.closed)
		err = l.inner.Close()
	})
	return err
}
