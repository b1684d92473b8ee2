package streamer

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/streamer/relay"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/api"
	"github.com/hookcast/hookcast/tenants/egress"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/keyring"
	"github.com/hookcast/hookcast/tenants/node"
	"github.com/hookcast/hookcast/tenants/proxy"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// canary is the key in every proxy of these tests. It must not occur in any response or line of the log.
const canary = "sk-canary-0123456789abcdef"

// proxyWorld is a world with proxies, an appender, and another server.
type proxyWorld struct {
	*world
	proxies *proxy.Proxies
	relay   *relay.Relay
	feed    *proxy.Feed
	other   *other

	mu   sync.Mutex
	said []byte // everything that clients received
}

// alone is a node that always lives.
type alone struct{}

func (alone) ID() string { return testNode }
func (alone) Held() bool { return true }

func newProxyWorld(t *testing.T, sink func(*hub.Options)) *proxyWorld {
	t.Helper()
	p := &proxyWorld{other: newOther(t)}
	var memory *relay.Memory
	p.world = prepare(t, func(o *hub.Options) {
		sink(o)
		memory = relay.NewMemory(o.Log, o.Interest)
		o.Log, o.Interest = memory, memory
	})
	logger := slog.New(slog.NewTextHandler(p.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	inboxes := &inbox{hub: p.hub, rights: Rights{Accounts: p.accounts, Keys: p.keys, Tokens: p.tokens, Gate: p.o.Gate}}
	queue := tenantstest.NewQueue(tenantstest.QueueOptions{})
	in := intake.NewIntake(p.accounts, p.events, queue)
	appender := intake.NewAppender(p.events, node.NewInterest(p.table), inboxes, queue)
	reach := egress.New(egress.Options{AllowPrivate: true})
	t.Cleanup(reach.Close)
	p.proxies, p.feed = proxy.NewProxies(p.table, p.accounts, p.vault, reach), proxy.NewFeed(in, p.events)
	p.relay = relay.New(relay.Options{
		Opener: reach, Memory: memory, Deliver: p.hub.Deliver, Runs: proxy.NewRuns(p.table, inboxes),
		Feed: p.feed, Log: p.events, Node: alone{}, Logger: logger,
		Subscribers: func(_ context.Context, t tenants.TenantID, channel string) int {
			return p.hub.Subscribers(t, channel)
		},
	})
	o := p.o
	o.Proxies, o.Relay = p.proxies, p.relay
	deployment, err := keyring.Open(t.Context(), p.table, p.vault)
	if err != nil {
		t.Fatal(err)
	}
	o.API = api.New(api.Options{
		Table: p.table, Accounts: p.accounts, Keys: p.keys, Gate: p.o.Gate, Tokens: p.tokens, Proxies: p.proxies,
		Cursors: deployment.Cursors(),
		Audit:   account.NewAuditLog(p.table), Logger: logger,
	})
	p.App = New(o)
	working, stop := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { appender.Run(working, 2) })
	t.Cleanup(func() {
		stop()
		work.Wait()
		p.mu.Lock() // a follower may still be finishing
		defer p.mu.Unlock()
		for where, text := range map[string]string{"the log": p.log.String(),
			"what clients were sent": string(p.said)} {
			if strings.Contains(text, canary) || strings.Contains(text, "canary-0123") {
				t.Errorf("%s holds the key", where)
			}
		}
	})
	t.Cleanup(p.relay.Close)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.serve(t, ln)
	return p
}

// create makes a proxy of the other server's path, over the API.
func (p *proxyWorld) create(t testing.TB, key string, path string, more map[string]any) string {
	t.Helper()
	body := map[string]any{"name": "other", "url": p.other.URL + path,
		"headers": map[string]string{"Authorization": "Bearer " + canary}}
	for k, v := range more {
		body[k] = v
	}
	status, answer := p.call(t, "POST", "/v1/proxies", key, body)
	if status != 201 {
		t.Fatalf("create: %d %s", status, answer)
	}
	var made struct{ ID string }
	if err := json.Unmarshal(answer, &made); err != nil {
		t.Fatal(err)
	}
	return made.ID
}

// call sends a request for JSON and records the response.
func (p *proxyWorld) call(t testing.TB, method, path, key string, body any, lines ...string) (int, []byte) {
	t.Helper()
	var b []byte
	if body != nil {
		b, _ = json.Marshal(body)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+p.addr+path, strings.NewReader(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	p.heard(answer)
	return res.StatusCode, answer
}

func (p *proxyWorld) heard(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.said = append(p.said, b...)
}

// hear opens a stream and records what arrives.
func (p *proxyWorld) hear(t testing.TB, target, key string, lines ...string) *stream {
	t.Helper()
	s := p.open(t, target, append([]string{auth(key)}, lines...)...)
	return s
}

// nextOf skips Hookcast's own frames except those named.
func (p *proxyWorld) nextOf(t testing.TB, s *stream, own ...string) (name, data, id string) {
	t.Helper()
	for {
		e := s.next(t)
		p.heard([]byte(e.Name + "\n" + string(e.Data) + "\n" + e.ID + "\n"))
		if !strings.HasPrefix(e.Name, "hookcast.") || e.Name == proxy.TypeUpstreamGap || e.Name == "hookcast.ended" {
			return e.Name, string(e.Data), e.ID
		}
		for _, n := range own {
			if e.Name == n {
				return e.Name, string(e.Data), e.ID
			}
		}
	}
}

// numbers reads events with the data from…to, and returns the id of the last one.
func (p *proxyWorld) numbers(t testing.TB, s *stream, from, to int) (at string) {
	t.Helper()
	for n := from; n <= to; n++ {
		var data string
		if _, data, at = p.nextOf(t, s); data != fmt.Sprint(n) {
			t.Fatalf("got %q, want %d", data, n)
		}
	}
	return at
}

// other is another server. Its paths:
//
//	/numbers?from=&to=&ids=  events n=from…to, with ids or without, and then silence until it is closed
//	/finite?n=               n events and the end
//	/echo                    the request, as an event, and the end
//	/status?code=            a response that is not a stream, with the caller's key in it
//	/html                    200 with another type
type other struct {
	*httptest.Server
	opened, closed atomic.Int64
	lastIDs        sync.Map // of the n-th request
	cut            chan struct{}
	asked          atomic.Pointer[func()] // called with each request, before its response
	mu             sync.Mutex
}

func newOther(t *testing.T) *other {
	o := &other{cut: make(chan struct{})}
	o.Server = httptest.NewServer(http.HandlerFunc(o.serve))
	t.Cleanup(func() {
		o.CloseClientConnections()
		o.Close()
	})
	return o
}

// cutAll breaks every open connection.
func (o *other) cutAll() {
	o.mu.Lock()
	close(o.cut)
	o.cut = make(chan struct{})
	o.mu.Unlock()
}

func (o *other) serve(w http.ResponseWriter, r *http.Request) {
	n := o.opened.Add(1)
	defer o.closed.Add(1)
	if asked := o.asked.Load(); asked != nil {
		(*asked)()
	}
	o.lastIDs.Store(n, r.Header.Get("Last-Event-ID"))
	q := r.URL.Query()
	body, _ := io.ReadAll(r.Body)
	number := func(name string, fallback int) int {
		v := fallback
		fmt.Sscan(q.Get(name), &v)
		return v
	}
	if !isStream(w, r, number("code", 500)) {
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	io.WriteString(w, ": hello\nretry: 10\n\n")
	flush := func() { w.(http.Flusher).Flush() }
	flush()
	switch r.URL.Path {
	case "/echo":
		b, _ := json.Marshal(map[string]any{"method": r.Method, "target": r.RequestURI, "headers": r.Header,
			"body": string(body)})
		fmt.Fprintf(w, "event: %s\nid: %s\ndata: %s\n\n", r.Header.Get("Authorization"), r.Header.Get("Authorization"),
			b)
	case "/finite":
		for i := range number("n", 3) {
			fmt.Fprintf(w, "event: tick\nid: %d\ndata: {\"n\":%d}\n\n", i+1, i+1)
		}
	case "/numbers":
		o.mu.Lock()
		cut := o.cut
		o.mu.Unlock()
		from := number("from", 1)
		if last := r.Header.Get("Last-Event-ID"); last != "" {
			fmt.Sscan(last, &from)
			from++
		} else if n > 1 && q.Get("ids") == "" {
			from = int(n) * 1000
		}
		for i := from; i <= number("to", 10); i++ {
			if q.Get("ids") != "" {
				fmt.Fprintf(w, "id: %d\n", i)
			}
			fmt.Fprintf(w, "data: %d\n\n", i)
		}
		flush()
		select {
		case <-r.Context().Done():
		case <-cut:
			panic(http.ErrAbortHandler)
		case <-time.After(time.Minute):
		}
	}
}

// isStream serves the paths that are not streams, and reports whether the path is one.
func isStream(w http.ResponseWriter, r *http.Request, code int) bool {
	switch r.URL.Path {
	case "/status":
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(code)
		fmt.Fprintf(w, "no access for %s, nor for %q", r.Header.Get("Authorization"), r.Header)
	case "/html":
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, "<p>"+r.Header.Get("Authorization"))
	default:
		return true
	}
	return false
}
