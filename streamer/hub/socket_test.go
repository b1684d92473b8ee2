package hub

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventstream"
)

// onSockets runs f with real connections: polled ones, writers, and writers on TLS.
func onSockets(t *testing.T, o Options, f func(t *testing.T, s *server)) {
	for _, kind := range []string{"epoll", "writer", "tls"} {
		t.Run(kind, func(t *testing.T) {
			if kind == "epoll" && runtime.GOOS != "linux" {
				t.Skip("there is no epoll here")
			}
			o := o
			o.Goroutines = kind == "writer"
			s := &server{rig: newRig(t, o)}
			t.Cleanup(s.hub.Close)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			s.l = l
			if kind == "tls" {
				s.tls = certificate(t)
			}
			f(t, s)
		})
	}
}

// server makes pairs of connected sockets, of which the hub gets one end.
type server struct {
	*rig
	l   net.Listener
	tls *tls.Config
}

func certificate(t *testing.T) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"},
		NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		InsecureSkipVerify: true}
}

// peer is a client at the other end of a real connection.
type peer struct {
	net.Conn
	tcp *net.TCPConn
	d   *eventstream.Decoder
	c   *Conn
	s   *server
	rel chan struct{}
}

// dial connects; the client sends the bytes given before the hub takes over.
func (s *server) dial(sub Subscription, cursor, sends string, channels ...string) *peer {
	s.t.Helper()
	out, err := net.Dial("tcp", s.l.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { out.Close() })
	in, err := s.l.Accept()
	if err != nil {
		s.t.Fatal(err)
	}
	p := &peer{Conn: out, tcp: out.(*net.TCPConn), s: s, rel: make(chan struct{}, 2)}
	if s.tls != nil {
		server, client := tls.Server(in, s.tls), tls.Client(out, s.tls)
		done := make(chan error, 1)
		go func() { done <- server.Handshake() }()
		if err := client.Handshake(); err != nil {
			s.t.Fatal(err)
		}
		if err := <-done; err != nil {
			s.t.Fatal(err)
		}
		in, p.Conn = server, client
	}
	if sends != "" {
		if _, err := io.WriteString(p.Conn, sends); err != nil {
			s.t.Fatal(err)
		}
	}
	p.SetDeadline(time.Now().Add(20 * time.Second))
	p.d = eventstream.NewDecoder(p.Conn, 1<<30)
	sub.Tenant, sub.Channels = ten, channels
	sub.Release = func() { p.rel <- struct{}{} }
	if sub.Format == nil {
		sub.Format = sse.Data
	}
	if cursor != "" {
		if sub.Positions, err = tenants.ParseCursor(cursor, channels); err != nil {
			s.t.Fatal(err)
		}
	}
	if p.c, err = s.hub.Open(sub); err != nil {
		s.t.Fatal(err)
	}
	p.c.Attach(in)
	return p
}

func (p *peer) next() eventstream.Event {
	p.s.t.Helper()
	for {
		e, err := p.d.Next()
		if err != nil {
			p.s.t.Fatal(err)
		}
		if e.Name != sse.Heartbeat {
			return e
		}
	}
}

// released waits until the hub has given the connection's slot back.
func (p *peer) released() {
	p.s.t.Helper()
	select {
	case <-p.rel:
	case <-time.After(20 * time.Second):
		p.s.t.Fatal("the connection's slot was not given back")
	}
}

func TestEventsOverSockets(t *testing.T) {
	onSockets(t, Options{}, func(t *testing.T, s *server) {
		p, q := s.dial(Subscription{}, "", "", "a"), s.dial(Subscription{}, "", "", "a", "b")
		if e := p.next(); e.Name != sse.Open {
			t.Fatalf("%+v", e)
		}
		q.next()
		for i := range 2000 {
			s.publish("a", fmt.Sprint(i))
		}
		for i := range 2000 {
			if e := p.next(); string(e.Data) != fmt.Sprint(i) || e.ID != fmt.Sprint(i+1) {
				t.Fatalf("event %d is %+v", i, e)
			}
			if e := q.next(); string(e.Data) != fmt.Sprint(i) {
				t.Fatalf("event %d of two channels is %+v", i, e)
			}
		}
	})
}

func TestAClientThatLeavesIsNoticedAtOnce(t *testing.T) {
	onSockets(t, Options{}, func(t *testing.T, s *server) {
		p := s.dial(Subscription{}, "", "", "a")
		p.next()
		p.Close()
		p.released()
		q := s.dial(Subscription{}, "", "", "a")
		q.next()
		q.tcp.SetLinger(0) // a reset
		q.tcp.Close()
		q.released()
		if s.hub.Stats().Ended["left"] != 2 {
			t.Errorf("%v", s.hub.Stats().Ended)
		}
	})
}

func TestAClientThatNeverReadsDelaysNobodyAndIsCut(t *testing.T) {
	onSockets(t, Options{UnsentAge: time.Second, UnsentBytes: 1 << 30}, func(t *testing.T, s *server) {
		t.Parallel()
		deaf := s.dial(Subscription{}, "", "", "a")
		deaf.tcp.SetReadBuffer(4 << 10)
		p := s.dial(Subscription{}, "", "", "a")
		p.next()
		data := strings.Repeat("x", 100<<10)
		for deadline := time.Now().Add(20 * time.Second); s.hub.Stats().Ended["stalled"] == 0; {
			s.publish("a", data)
			if e := p.next(); len(e.Data) != len(data) {
				t.Fatalf("%d bytes", len(e.Data))
			}
			if time.Now().After(deadline) {
				t.Fatal("not cut")
			}
		}
		deaf.released()
	})
}

// A subscriber that reads again after its socket was full gets everything, from the ring and from the log.
func TestAClientThatReadsAgainCatchesUp(t *testing.T) {
	onSockets(t, Options{UnsentAge: time.Hour, UnsentBytes: 1 << 40, Ring: 8}, func(t *testing.T, s *server) {
		p := s.dial(Subscription{}, "", "", "a")
		p.next()
		data := strings.Repeat("x", 64<<10)
		for i := range 100 {
			s.publish("a", fmt.Sprint(i)+data)
		}
		for i := range 100 {
			if e := p.next(); e.ID != fmt.Sprint(i+1) || string(e.Data) != fmt.Sprint(i)+data {
				t.Fatalf("event %d has id %s and %d bytes", i, e.ID, len(e.Data))
			}
		}
	})
}

// Unread bytes of the client must not turn the close into a reset that destroys the last frame.
func TestTheLastFrameSurvivesUnreadInput(t *testing.T) {
	onSockets(t, Options{}, func(t *testing.T, s *server) {
		for range 20 {
			p := s.dial(Subscription{}, "", "", "a")
			p.next()
			data := strings.Repeat("x", 50<<10)
			s.publish("a", data)
			if _, err := io.WriteString(p.Conn, strings.Repeat("GET / HTTP/1.1\r\n\r\n", 50)); err != nil {
				t.Fatal(err)
			}
			if !s.hub.Disconnect(ten, p.c.ID()) {
				t.Fatal("not there")
			}
			var last eventstream.Event
			for {
				e, err := p.d.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				last = e
			}
			if last.ID != Stop {
				t.Fatalf("the last frame is %.100q", last.Data)
			}
			p.Close()
			p.released()
		}
	})
}

func TestWhatTheClientSendsIsIgnoredAndBounded(t *testing.T) {
	onSockets(t, Options{}, func(t *testing.T, s *server) {
		p := s.dial(Subscription{}, "", "some junk that came with the request", "a")
		p.next()
		s.publish("a", "1")
		if e := p.next(); string(e.Data) != "1" {
			t.Fatalf("%+v", e)
		}
		junk := bytes.Repeat([]byte("x"), 32<<10)
		for range 100 {
			if _, err := p.Write(junk); err != nil {
				break
			}
		}
		p.released()
		if s.hub.Stats().Ended["rude"] != 1 {
			t.Errorf("%v", s.hub.Stats().Ended)
		}
	})
}

func TestAClientThatDoesNotCloseIsClosed(t *testing.T) {
	onSockets(t, Options{}, func(t *testing.T, s *server) {
		t.Parallel()
		p := s.dial(Subscription{}, "", "", "a")
		p.next()
		s.hub.Disconnect(ten, p.c.ID())
		p.released()
		for s.hub.slots.get(p.c.slot) != nil {
			time.Sleep(10 * time.Millisecond) // the seconds of the drain pass on the real clock
		}
	})
}

// Descriptors are reused at once; no connection gets another one's bytes.
func TestReusedDescriptors(t *testing.T) {
	onSockets(t, Options{}, func(t *testing.T, s *server) {
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for {
				select {
				case <-stop:
					return
				default:
					s.publish("a", "for a")
					s.publish("b", "for b")
				}
			}
		}()
		defer func() {
			close(stop)
			<-stopped
		}()
		for i := range 200 {
			channel := "ab"[i%2 : i%2+1]
			p := s.dial(Subscription{}, "", "", channel)
			p.next()
			for range 3 {
				if e := p.next(); string(e.Data) != "for "+channel {
					t.Fatalf("on %s: %q", channel, e.Data)
				}
			}
			p.tcp.Close()
		}
	})
}

func TestAPollOverSockets(t *testing.T) {
	onSockets(t, Options{}, func(t *testing.T, s *server) {
		s.append("a", "1")
		p := s.dial(Subscription{Poll: &Poll{Wait: time.Minute, Respond: func(r Result) []byte {
			return []byte(short(r))
		}}}, "0", "", "a")
		if b, err := io.ReadAll(p.Conn); err != nil || string(b) != "1@a1 > 1" {
			t.Errorf("%q, %v", b, err)
		}
	})
}

func TestAnIdleConnectionHasNoGoroutineOfItsOwn(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there is no epoll here")
	}
	onSockets(t, Options{}, func(t *testing.T, s *server) {
		if s.hub.o.Goroutines || s.tls != nil {
			t.Skip("writers have goroutines")
		}
		s.dial(Subscription{}, "", "", "a").next()
		before := runtime.NumGoroutine()
		fds := descriptors(t)
		for range 50 {
			s.dial(Subscription{}, "", "", "a").next()
		}
		if n := runtime.NumGoroutine() - before; n > 5 {
			t.Errorf("%d goroutines for 50 connections", n)
		}
		if n := descriptors(t) - fds; n > 101 {
			t.Errorf("%d descriptors for 50 connections and their clients", n)
		}
	})
}

func descriptors(t *testing.T) int {
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(d)
}
