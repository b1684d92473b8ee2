package streamer

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// scriptedListener accepts what a test sends it.
type scriptedListener struct {
	next   chan any // a net.Conn or an error
	closed chan struct{}
}

func newScript() *scriptedListener {
	return &scriptedListener{next: make(chan any, 16), closed: make(chan struct{})}
}

func (s *scriptedListener) Accept() (net.Conn, error) {
	select {
	case v := <-s.next:
		if err, ok := v.(error); ok {
			return nil, err
		}
		return v.(net.Conn), nil
	case <-s.closed:
		return nil, &net.OpError{Op: "accept", Err: net.ErrClosed}
	}
}

func (s *scriptedListener) Close() error   { close(s.closed); return nil }
func (s *scriptedListener) Addr() net.Addr { return &net.TCPAddr{} }

// countingConn is a connection that sends nothing.
type countingConn struct {
	net.Conn
	closed int
}

func (c *countingConn) Close() error               { c.closed++; return nil }
func (c *countingConn) Read(p []byte) (int, error) { return 0, io.EOF }
func (c *countingConn) RemoteAddr() net.Addr       { return &net.TCPAddr{} }

func emfile() error {
	return &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
}

func testListener(s *scriptedListener, mark, wall int64) *listener {
	l := newListener(s, slog.New(slog.DiscardHandler))
	l.mark, l.wall = mark, wall
	return l
}

func TestAcceptOutlivesEveryErrorUntilClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := newScript()
		l := testListener(script, 10, 10)
		waiting, last := new(countingConn), new(countingConn)
		// The client at the head of the backlog is refused with the reserve; the next one is accepted once there is
		// room.
		for _, v := range []any{emfile(), waiting, errors.New("no such thing as this error"), emfile(), emfile(),
			last} {
			script.next <- v
		}
		c, err := l.Accept()
		if err != nil || c.(*conn).Conn != last {
			t.Fatalf("Accept = %v, %v; want the last connection", c, err)
		}
		if waiting.closed != 1 || l.refused.Load() != 1 {
			t.Errorf("the client that waited was closed %d times, refused = %d", waiting.closed, l.refused.Load())
		}
		if l.full() {
			t.Error("still full after a connection was accepted")
		}
		if l.reserve == nil {
			t.Error("no reserve is held")
		}
		l.Close()
		if _, err := l.Accept(); !errors.Is(err, io.EOF) {
			t.Errorf("Accept after Close = %v, want io.EOF", err)
		}
	})
}

func TestStarvedListenerIsFullAndCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := newScript()
		l := testListener(script, 10, 10)
		done := make(chan error)
		go func() { _, err := l.Accept(); done <- err }()
		script.next <- errors.New("first")
		synctest.Wait()
		if !l.full() {
			t.Error("not full while nothing can be accepted")
		}
		l.Close()
		began := time.Now()
		if err := <-done; !errors.Is(err, io.EOF) || time.Since(began) != 0 {
			t.Errorf("Accept = %v after %v, want io.EOF at once", err, time.Since(began))
		}
	})
}

func TestBackoffGrowsToASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := newScript()
		l := testListener(script, 10, 10)
		for range 10 {
			script.next <- errors.New("again")
		}
		script.next <- new(countingConn)
		began := time.Now()
		if _, err := l.Accept(); err != nil {
			t.Fatal(err)
		}
		// 5, 10, …, 640 ms, and a second twice
		if d := time.Since(began); d != 1275*time.Millisecond+2*time.Second {
			t.Errorf("waited %v", d)
		}
		l.Close()
	})
}

func TestOnceFullStaysFullUntilATwentiethIsFree(t *testing.T) {
	l := testListener(newScript(), 100, 110)
	for _, c := range []struct {
		open int64
		full bool
	}{{99, false}, {100, true}, {99, true}, {96, true}, {95, false}, {99, false}, {100, true}} {
		l.open.Store(c.open)
		if l.full() != c.full {
			t.Errorf("with %d of 100 open, full is %v", c.open, !c.full)
		}
	}
}

func TestFromTheWallOnConnectionsAreClosedUnansweredAndCountFallsBack(t *testing.T) {
	script := newScript()
	l := testListener(script, 2, 3)
	accept := func() *conn {
		t.Helper()
		script.next <- new(countingConn)
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		return c.(*conn)
	}
	a := accept()
	if l.full() {
		t.Error("full below the mark")
	}
	b, c := accept(), accept()
	if !l.full() {
		t.Error("not full at the mark")
	}
	if b.detach() == nil || b.detach() != nil {
		t.Error("detach gives the connection once")
	}
	if l.count() != 3 {
		t.Errorf("count = %d with one of three detached, want 3", l.count())
	}
	over := new(countingConn)
	script.next <- over
	script.next <- &net.OpError{Err: net.ErrClosed}
	if _, err := l.Accept(); !errors.Is(err, io.EOF) || over.closed != 1 || l.refused.Load() != 1 {
		t.Fatalf("Accept at the wall = %v, closed %d, refused %d", err, over.closed, l.refused.Load())
	}
	l.released()
	a.Close()
	a.Close()
	if got := l.count(); got != 1 {
		t.Errorf("count = %d after one was released and one closed twice, want 1", got)
	}
	if a.Conn.(*countingConn).closed != 1 {
		t.Error("closed twice")
	}
	if b.Close() == nil || b.Conn.(*countingConn).closed != 0 {
		t.Error("a detached connection was closed through its old owner")
	}
	c.Close()
	if accept() == nil || l.full() {
		t.Error("no room below the mark")
	}
}

// A thousand connections that come at once are accepted as earlier ones get their turn: when they first read, are
// given away, or are closed.
func TestAcceptWaitsUntilThoseBeforeHaveHadTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := newScript()
		l := testListener(script, 1000, 1000)
		most := cap(l.starting)
		go func() {
			for range 1000 {
				select {
				case script.next <- new(countingConn):
				case <-script.closed:
				}
			}
		}()
		accepted := make(chan *conn, 1000)
		ended := make(chan error)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					ended <- err
					return
				}
				accepted <- c.(*conn)
			}
		}()
		synctest.Wait()
		if n := len(accepted); n != most || most < 1 {
			t.Fatalf("%d are accepted and none has had its turn, want %d", n, most)
		}
		for _, turn := range []func(*conn){
			func(c *conn) { c.Read(make([]byte, 1)); c.Read(make([]byte, 1)); c.Close() },
			func(c *conn) { c.detach(); c.Close() },
			func(c *conn) { c.Close(); c.Close() },
		} {
			turn(<-accepted)
			synctest.Wait()
			if n := len(accepted); n != most {
				t.Errorf("%d are accepted and have not had their turn, want %d", n, most)
			}
		}
		l.Close()
		if err := <-ended; !errors.Is(err, io.EOF) {
			t.Errorf("Accept = %v, want io.EOF", err)
		}
	})
}
