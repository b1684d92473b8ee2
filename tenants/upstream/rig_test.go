package upstream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventstream"
	"github.com/hookcast/hookcast/tenants/upstream"
)

// server is the other server, in memory. Each request is answered by the next of its scripts; the last one repeats.
type server struct {
	mu      sync.Mutex
	scripts []script
	asked   []tenants.Outgoing
	at      []time.Time
	open    int
}

// script answers one request. write produces the body until its context ends; an error breaks the connection, nil
// ends it.
type script struct {
	failure tenants.Failure
	delay   time.Duration
	status  int
	header  map[string]string
	write   func(ctx context.Context, w io.Writer, r tenants.Outgoing) error
}

var errBroken = errors.New("broken")

// events is a script of an event stream.
func events(write func(ctx context.Context, w io.Writer, r tenants.Outgoing) error) script {
	return script{status: 200, header: map[string]string{"Content-Type": "text/event-stream"}, write: write}
}

// text is a script of a stream that sends s and ends with err.
func text(s string, err error) script {
	return events(func(_ context.Context, w io.Writer, _ tenants.Outgoing) error {
		io.WriteString(w, s)
		return err
	})
}

// silent is a script of a stream that sends s and then nothing.
func silent(s string) script {
	return events(func(ctx context.Context, w io.Writer, _ tenants.Outgoing) error {
		io.WriteString(w, s)
		<-ctx.Done()
		return ctx.Err()
	})
}

func refusing(status int) script {
	return script{status: status, header: map[string]string{"Content-Type": "text/plain"},
		write: func(_ context.Context, w io.Writer, _ tenants.Outgoing) error {
			io.WriteString(w, "no, not with a-secret-key")
			return nil
		}}
}

func (s *server) Open(ctx context.Context, o tenants.Outgoing) (*http.Response, tenants.Failure) {
	s.mu.Lock()
	play := s.scripts[min(len(s.asked), len(s.scripts)-1)]
	s.asked, s.at = append(s.asked, o), append(s.at, time.Now())
	s.mu.Unlock()
	if play.delay > 0 {
		select {
		case <-time.After(play.delay):
		case <-ctx.Done():
			return nil, tenants.FailureCanceled
		}
	}
	if play.failure != "" {
		return nil, play.failure
	}
	h := make(http.Header)
	for k, v := range play.header {
		h.Set(k, v)
	}
	r, w := io.Pipe()
	s.count(1)
	stop := context.AfterFunc(ctx, func() { r.CloseWithError(ctx.Err()) })
	go func() {
		defer s.count(-1)
		defer stop()
		if play.write == nil {
			w.Close()
			return
		}
		w.CloseWithError(play.write(ctx, w, o)) // nil: EOF
	}()
	return &http.Response{StatusCode: play.status, Header: h, Body: r}, ""
}

func (s *server) count(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open += n
}

// lastIDs returns the id from which each request resumed.
func (s *server) lastIDs() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for _, o := range s.asked {
		ids = append(ids, strings.Join(o.Header["Last-Event-Id"], ","))
	}
	return strings.Join(ids, "|")
}

// sink records the stream.
type sink struct {
	mu    sync.Mutex
	got   []string // data, or GAP
	after func(n int) error
}

func (s *sink) Events(_ context.Context, events []eventstream.Event, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range events {
		s.got = append(s.got, string(e.Data))
	}
	if s.after != nil {
		return s.after(len(s.got))
	}
	return nil
}

func (s *sink) Gap(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, "GAP")
	return nil
}

func (s *sink) String() string { return strings.Join(s.got, " ") }

func options(s *server) upstream.Options {
	return upstream.Options{
		Opener: s, Request: tenants.Outgoing{Method: "GET", URL: "https://example.com/a"}, Reconnect: true,
		FirstByte: 30 * time.Second, Idle: time.Minute,
		Total: 24 * time.Hour, EventBytes: 1 << 16, Redact: func(s string) string {
			return strings.ReplaceAll(s, "a-secret-key", "[redacted]")
		},
	}
}

// run opens a stream and runs it to its end.
func run(t *testing.T, o upstream.Options, to *sink) (upstream.End, error) {
	t.Helper()
	stream, err := upstream.Open(t.Context(), o)
	if err != nil {
		return upstream.End{}, err
	}
	return stream.Run(t.Context(), to), nil
}

// want runs scripts and checks the events, the end, and the id from which each request resumed.
func want(t *testing.T, change func(*upstream.Options), got, lastIDs string, reason upstream.Reason,
	scripts ...script) *server {
	t.Helper()
	s, to := &server{scripts: scripts}, &sink{}
	o := options(s)
	if change != nil {
		change(&o)
	}
	end, err := run(t, o, to)
	if err != nil {
		t.Fatal(err)
	}
	if to.String() != got || end.Reason != reason || s.lastIDs() != lastIDs {
		t.Errorf("got %q, from %q, end %v\nwant %q, from %q, end %s", to, s.lastIDs(), end, got, lastIDs, reason)
	}
	return s
}

var noContent = script{status: 204}

func numbered(from, to int) string {
	var b strings.Builder
	for n := from; n <= to; n++ {
		fmt.Fprintf(&b, "id: %d\ndata: %d\n\n", n, n)
	}
	return b.String()
}
