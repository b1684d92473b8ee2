package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants/account"
)

// output collects a command's output, which can be read while the command runs.
type output struct {
	mu   sync.Mutex
	b    bytes.Buffer
	more chan struct{} // each write closes and replaces it
}

func newOutput() *output { return &output{more: make(chan struct{})} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.more)
	o.more = make(chan struct{})
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// await waits until the output contains text n times.
func (o *output) await(t testing.TB, text string, n int) {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		o.mu.Lock()
		all, more := o.b.String(), o.more
		o.mu.Unlock()
		if strings.Count(all, text) >= n {
			return
		}
		select {
		case <-more:
		case <-deadline:
			t.Fatalf("the output does not contain %q %d times within a minute:\n%s", text, n, all)
		}
	}
}

// machine is a developer's machine.
type machine struct {
	*shell
	out, err *output
	vars     map[string]string
	dir      string
}

func newMachine(t testing.TB) *machine {
	d := &machine{out: newOutput(), err: newOutput(), vars: make(map[string]string), dir: t.TempDir()}
	remote := http.DefaultTransport.(*http.Transport).Clone()
	remote.Proxy = nil
	t.Cleanup(remote.CloseIdleConnections)
	d.shell = &shell{stdin: strings.NewReader(""), stdout: d.out, stderr: d.err,
		env:    func(name string) string { return d.vars[name] },
		folder: func() (string, error) { return d.dir, nil }, remote: remote, local: remote}
	return d
}

// runs runs a command to its end and checks its exit code.
func (d *machine) runs(t testing.TB, exit int, args ...string) {
	t.Helper()
	if got := d.run(t.Context(), args); got != exit {
		t.Fatalf("%v exited with %d, want %d\n%s%s", args, got, exit, d.out, d.err)
	}
}

// begins starts a command. stop ends it and returns its exit code; exited is closed once it has ended.
func (d *machine) begins(t testing.TB, args ...string) (stop func() int, exited <-chan struct{}) {
	ctx, cancel := context.WithCancel(context.Background())
	over, code := make(chan struct{}), 0
	go func() {
		defer close(over)
		code = d.run(ctx, args)
	}()
	stop = func() int {
		cancel()
		<-over
		return code
	}
	t.Cleanup(func() { stop() })
	return stop, over
}

// pipes is an in-memory network of one server, for tests with synthetic time.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// script is a stream server that answers the n-th request with the n-th answer, and later requests with the last one.
type script struct {
	mu      sync.Mutex
	answers []func(w http.ResponseWriter, r *http.Request)
	asked   []*http.Request
	at      []time.Duration // of each request, since began
	began   time.Time
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	n := min(len(s.asked), len(s.answers)-1)
	s.asked = append(s.asked, r)
	s.at = append(s.at, time.Since(s.began))
	answer := s.answers[n]
	s.mu.Unlock()
	answer(w, r)
}

// followed is the outcome of a follower in a synctest bubble.
type followed struct {
	*script
	err    error
	events []string
	said   []string
	cursor string
	took   time.Duration
}

// follow runs a follower to its end against a server with the answers. It must be called in a synctest bubble.
func follow(t *testing.T, change func(*follower), answers ...func(w http.ResponseWriter, r *http.Request)) *followed {
	t.Helper()
	net := newPipes()
	out := &followed{script: &script{answers: answers, began: time.Now()}}
	server := &http.Server{Handler: out.script}
	go server.Serve(net)
	transport := &http.Transport{DialContext: net.dial, DisableKeepAlives: true}
	sh := &shell{remote: transport}
	key := testKey()
	f := &follower{client: newClient(sh, credentials{API: "http://hookcast", Stream: "http://hookcast", Key: key}),
		channels: []string{"a"}}
	f.take = func(_ context.Context, data []byte) error {
		out.events = append(out.events, string(data))
		return nil
	}
	f.say = func(format string, args ...any) { out.said = append(out.said, sprint(format, args...)) }
	if change != nil {
		change(f)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	out.err = f.run(ctx)
	out.took, out.cursor = time.Since(out.began), f.cursor
	cancel()
	// The follower may end before the server records its request, so wait for all handlers before reading the records.
	if err := server.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if all := strings.Join(out.said, "\n"); strings.Contains(all, key) ||
		out.err != nil && strings.Contains(out.err.Error(), key) {
		t.Error("a message or the error contains the key")
	}
	return out
}

// testKey returns a well-formed key.
func testKey() string { return account.NewOperatorKey() }

// streams answers with the lines of a stream. If stays is true, the stream remains open until the client leaves.
func streams(stays bool, lines ...string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		io.WriteString(w, strings.Join(lines, ""))
		w.(http.Flusher).Flush()
		if stays {
			<-r.Context().Done()
		}
	}
}

const opening = "event: hookcast.open\nretry: 2000\nid: 0\ndata: {\"connection_id\":\"con_1\"}\n\n"

// problem answers with a problem document as Hookcast does.
func problem(status int, code, detail string, header ...string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, `{"status":0,"code":"`+code+`","detail":"`+detail+`"}`)
	}
}
