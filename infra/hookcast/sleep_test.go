package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/infra/endtoend"
)

// wallClock is a clock that advances while the machine sleeps.
type wallClock struct{ slept atomic.Int64 }

func (c *wallClock) now() time.Time        { return time.Now().Round(0).Add(time.Duration(c.slept.Load())) }
func (c *wallClock) sleep(d time.Duration) { c.slept.Add(int64(d)) }
func (c *wallClock) patient(f *follower)   { f.patience.wall = c.now }
func naps(c *wallClock, d time.Duration) handler {
	return func(http.ResponseWriter, *http.Request) { c.sleep(d) }
}

type handler = func(http.ResponseWriter, *http.Request)

// then answers with all of hs in order.
func then(hs ...handler) handler {
	return func(w http.ResponseWriter, r *http.Request) {
		for _, h := range hs {
			h(w, r)
		}
	}
}

func pauses(d time.Duration) handler {
	return func(http.ResponseWriter, *http.Request) { time.Sleep(d) }
}

// After the laptop wakes, its connection looks alive. The follower leaves it within a beat instead of waiting for the
// silence limit.
func TestAfterASleepItConnectsAnewAtOnceBehindTheLastEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var clock wallClock
		const awake = 10 * time.Second
		f := follow(t, clock.patient,
			then(streams(false, opening, "id: 1\ndata: one\n\n"), pauses(awake), naps(&clock, 8*time.Hour),
				streams(true)),
			streams(false, opening, "id: 2\ndata: two\n\n"), ends)
		if f.err != nil || strings.Join(f.events, " ") != "one two" || f.asked[1].Header.Get("Last-Event-ID") != "1" {
			t.Fatalf("got events %v, messages %q and error %v after cursor %q, want one two after cursor 1",
				f.events, f.said, f.err, f.asked[1].Header.Get("Last-Event-ID"))
		}
		if late := f.at[1] - awake; late < 0 || late > beat {
			t.Errorf("it reconnects %v after waking, want at most %v", late, beat)
		}
		if !strings.Contains(f.said[1], "this machine slept for 8h0m") ||
			!strings.Contains(f.said[1], "reconnecting now") {
			t.Errorf("it said %q, want the sleep and the reconnect second", f.said)
		}
	})
}

// A pause between attempts ends when the machine wakes.
func TestASleepEndsAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var clock wallClock
		f := follow(t, func(f *follower) {
			clock.patient(f)
			say := f.say
			f.say = func(format string, args ...any) {
				say(format, args...)
				if strings.HasSuffix(sprint(format, args...), "; reconnecting in 1h0m0s") {
					clock.sleep(time.Minute)
				}
			}
		}, streams(false, opening), problem(503, "draining", "Later.", "Retry-After", "3600"), ends)
		if f.err != nil || len(f.asked) != 3 {
			t.Fatalf("got error %v, messages %q and %d requests, want 3 requests", f.err, f.said, len(f.asked))
		}
		if pause := f.at[2] - f.at[1]; pause > beat {
			t.Errorf("it reconnects %v after waking, want at most %v", pause, beat)
		}
	})
}

// Neither the lateness of a busy machine nor a clock that is set back counts as sleep.
func TestWhatIsNoSleepKeepsTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var clock wallClock
		lateness := func(w http.ResponseWriter, r *http.Request) {
			for range 10 {
				time.Sleep(3 * time.Second)
				clock.sleep(2 * beat)
				time.Sleep(beat)
				clock.sleep(-time.Hour)
				streams(false, ":\n\n")(w, r)
			}
		}
		f := follow(t, clock.patient, then(streams(false, opening), lateness,
			streams(false, "event: hookcast.ended\nid: !stop\ndata: {\"channel\":\"a\"}\n\n")))
		if f.err != nil || len(f.asked) != 1 {
			t.Errorf("got error %v, %d requests and messages %q, want 1 request", f.err, len(f.asked), f.said)
		}
	})
}

// A sleep during the first attempt does not mean that the server is unreachable.
func TestASleepDuringTheFirstConnectIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var clock wallClock
		// It sleeps after the first look at the clock; an earlier sleep could not be noticed.
		f := follow(t, clock.patient, then(pauses(beat/2), naps(&clock, time.Hour),
			func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), ends)
		if f.err != nil || len(f.asked) != 2 {
			t.Errorf("got error %v, %d requests and messages %q, want 2 requests", f.err, len(f.asked), f.said)
		}
	})
}

// blackHole is a TCP proxy that can swallow connections: it then reads from the existing ones, passes nothing on in
// either direction and closes nothing. It still passes new ones.
type blackHole struct {
	net.Listener
	to string

	mu     sync.Mutex
	conns  []net.Conn
	opened []*atomic.Bool // by connection: swallowed
}

func newBlackHole(t *testing.T, to string) *blackHole {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &blackHole{Listener: l, to: to}
	go h.serve()
	t.Cleanup(h.close)
	return h
}

func (h *blackHole) serve() {
	for {
		in, err := h.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", h.to)
		if err != nil {
			in.Close()
			continue
		}
		swallowed := new(atomic.Bool)
		h.mu.Lock()
		h.conns, h.opened = append(h.conns, in, out), append(h.opened, swallowed)
		h.mu.Unlock()
		for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
			go func() {
				b := make([]byte, 32<<10)
				for {
					n, err := way[0].Read(b)
					if swallowed.Load() {
						if err != nil {
							return // without telling the other side
						}
						continue
					}
					if _, werr := way[1].Write(b[:n]); err != nil || werr != nil {
						way[1].Close()
						return
					}
				}
			}()
		}
	}
}

// swallow swallows all existing connections and returns their number.
func (h *blackHole) swallow() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.opened {
		s.Store(true)
	}
	return len(h.opened)
}

func (h *blackHole) close() {
	h.Close()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.conns {
		c.Close()
	}
}

// A connection swallows everything, as if a router had forgotten it. listen leaves it because of the wall clock, or
// because of silence alone, and then receives each event published in the meantime once.
func TestListenGetsOutOfADeadConnection(t *testing.T) {
	t.Parallel()
	b := startBox(t)
	for name, c := range map[string]struct {
		patience patience
		clock    *wallClock
		says     string
	}{
		"after a sleep": {says: "this machine slept for 3h0m", clock: &wallClock{}},
		"by silence":    {says: errSilent.Error(), patience: patience{silence: 10 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			channel := "dead." + strings.ReplaceAll(name, " ", "-")
			d, p, h := b.machine(t), endtoend.NewProgram(t, 200), newBlackHole(t, b.addr)
			d.vars[envStream], d.patience = "http://"+h.Addr().String(), c.patience
			if c.clock != nil {
				d.patience.wall = c.clock.now
			}
			stop, _ := d.begins(t, "listen", "-forward", p.URL, channel)
			d.err.await(t, "connected to "+channel, 1)
			b.publish(t, channel, "x", "1")
			d.out.await(t, ": 200 OK in ", 1)
			if h.swallow() == 0 {
				t.Fatal("listen is not connected through the proxy")
			}
			b.publish(t, channel, "x", "2")
			b.publish(t, channel, "x", "3")
			if c.clock != nil {
				c.clock.sleep(3 * time.Hour)
			}
			d.out.await(t, ": 200 OK in ", 3)
			if code := stop(); code != 0 {
				t.Errorf("listen exited with %d, want 0", code)
			}
			if got := strings.Join(p.Bodies(), ""); got != "123" || !strings.Contains(d.err.String(), c.says) {
				t.Errorf("events %q arrived, want 123; listen said %s", got, d.err)
			}
		})
	}
}

// Requests over HTTP/2 share a connection. A dead connection with a request in progress must not be used for the next
// attempts.
func TestADeadConnectionOfHTTP2IsNotAskedAgain(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	underWay := make(chan struct{})
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("the request uses %s, want HTTP/2", r.Proto)
		}
		if r.URL.Path != "/v1/stream" {
			close(underWay)
			<-r.Context().Done()
			return
		}
		n := asked.Add(1)
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "%sid: %d\ndata: %d\n\n", opening, n, n)
		w.(http.Flusher).Flush()
		if n == 2 {
			io.WriteString(w, "event: hookcast.ended\nid: !stop\ndata: {\"channel\":\"a\"}\n\n")
			return
		}
		<-r.Context().Done()
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	trusted := x509.NewCertPool()
	trusted.AddCert(s.Certificate())
	h := newBlackHole(t, s.Listener.Addr().String())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	base := "https://" + h.Addr().String()
	var clock wallClock
	var events []string
	f := &follower{client: newClient(&shell{remote: transport}, credentials{API: base, Stream: base, Key: testKey()}),
		channels: []string{"a"}, patience: patience{wall: clock.now}}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	var slow sync.WaitGroup
	defer slow.Wait()
	defer cancel()
	f.take = func(_ context.Context, data []byte) error {
		if events = append(events, string(data)); len(events) == 1 {
			slow.Go(func() { _ = f.client.call(ctx, http.MethodGet, "/v1/channels", nil, nil) })
			<-underWay
			h.swallow()
			clock.sleep(time.Hour)
		}
		return nil
	}
	if err := f.run(ctx); err != nil || ctx.Err() != nil || strings.Join(events, " ") != "1 2" {
		t.Errorf("run = %v with context error %v and events %v, want 1 2", err, ctx.Err(), events)
	}
}
