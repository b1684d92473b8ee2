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

// listener stands between the server and the socket, because fasthttp ends its accept loop, and with it the process, on the first
// EMFILE, and forgets every connection that was hijacked. It never returns an error before it is closed, counts every
// connection until it is closed wherever that happens, and keeps one descriptor in reserve so that it can still refuse a
// client when none is left.
//
// It accepts no faster than connections get their turn. Of those that a server has accepted and that have not come to read their request
// there are at most startingPerCPU for each CPU; the next wait in the kernel's backlog, in order. Else a storm of connects is as many goroutines
// in the scheduler's queue, and each step of everybody else's (a publish, a commit, a fan-out) waits behind all of them.
//
// Two numbers bound it. From the mark on (0.92 of the descriptors) readiness is red and routes open no more streams, yet
// probes, the API and running streams are served. From the wall on (halfway between mark and limit) a connection is closed as soon
// as it is accepted. It is closed without an answer on purpose: a browser's EventSource comes back after a broken
// connection and is dead for good after a 503 (HTML Living Standard, 9.2.3, "fail the connection").
type listener struct {
	inner      net.Listener
	mark, wall int64
	starting   chan struct{} // holds one for each connection that is about to be accepted or has not begun: see conn.begin
	log        *slog.Logger

	open     atomic.Int64 // connections that this listener's conns hold
	attached atomic.Int64 // connections that conn.detach gave away and whose new owner has not called released
	refused  atomic.Int64
	peers    peers
	starved  atomic.Bool // the last accept found no descriptor left
	crowded  atomic.Bool // the mark was reached, and a twentieth of it has not been freed since

	reserve *os.File // owned by Accept, which the server calls from one goroutine
	closed  chan struct{}
	once    sync.Once
}

const startingPerCPU = 16

const (
	acceptBackoffMin = 5 * time.Millisecond
	acceptBackoffMax = time.Second
)

// newListener takes inner over: closing the listener closes it.
func newListener(inner net.Listener, log *slog.Logger) *listener {
	n := descriptorLimit()
	l := &listener{
		inner: inner, mark: n * 92 / 100, starting: make(chan struct{}, startingPerCPU*runtime.GOMAXPROCS(0)), log: log, closed: make(chan struct{}),
	}
	l.wall = (l.mark + n) / 2
	l.reserve, _ = os.Open(os.DevNull)
	return l
}

// descriptorLimit is how many descriptors the process may hold. Go raises the soft limit to the hard one when a program starts.
func descriptorLimit() int64 {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil || r.Cur == 0 || r.Cur > 1<<30 {
		return 1 << 30
	}
	return int64(r.Cur)
}

// Accept returns the next connection that may be served, and io.EOF once the listener is closed.
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
			who, ok := l.peers.take(c.RemoteAddr())
			if !ok {
				l.refuse(c)
				continue
			}
			l.open.Add(1)
			return &conn{Conn: c, listener: l, peer: who}, nil
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

// spendReserve turns away the client at the head of the backlog, which would otherwise wait for an answer that no one can give. false:
// there was none, or no reserve.
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
	if n := l.refused.Add(1); n&(n-1) == 0 { // a line for each doubling: a storm must not fill the disk
		l.log.Warn("refusing connections", "open", l.count(), "refused", n)
	}
}

// pause waits for d; false where the listener was closed meanwhile.
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

// count is how many connections are open, those included that left the server for the hub.
func (l *listener) count() int64 { return l.open.Load() + l.attached.Load() }

// full tells whether no more streams should be opened here. Once the mark was reached it stays so until there is real room again:
// readiness that flaps with every client that leaves makes a load balancer send the next one.
func (l *listener) full() bool {
	switch n := l.count(); {
	case n >= l.mark:
		l.crowded.Store(true)
	case n <= l.mark*19/20:
		l.crowded.Store(false)
	}
	return l.crowded.Load() || l.starved.Load()
}

// released says that a connection given away by conn.detach is closed.
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
