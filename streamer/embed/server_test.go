package embed

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/hookcast/hookcast/infra/endtoend/browser"
)

// server speaks the streaming protocol as a test scripts it: next returns every request to /v1/stream or /v1/poll,
// which stays open until the test answers it. Pages have another origin, as in production, so that CORS is part of
// every test.
type server struct {
	t     *testing.T
	url   string
	site  string // origin of the pages
	html  string // the body of /page
	calls chan *call
	ticks chan struct{} // closed when the test is over
}

// recorder holds the events, states and uncaught errors that the snippet produced.
const recorder = `<!doctype html><title>test</title><script>
var events = [], states = [], errors = [], c;
addEventListener('error', (e) => { e.preventDefault(); errors.push(e.message); });
function connect(options) {
  c = Hookcast.connect(Object.assign({onstate: (s, why) => states.push(why ? s + ':' + why : s)}, options));
  return c.on('*', (e) => events.push(e));
}
</script><script crossorigin="anonymous" src="%s/embed.js"></script>`

func newServer(t *testing.T) *server {
	s := &server{t: t, calls: make(chan *call, 100), ticks: make(chan struct{})}
	mux := http.NewServeMux()
	mux.Handle("/embed.js", Handler())
	mux.HandleFunc("/v1/", s.serve)
	streams := httptest.NewServer(mux)
	site := http.NewServeMux()
	site.HandleFunc("/page", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Security-Policy",
			"default-src 'none'; script-src 'unsafe-inline' "+s.url+"; connect-src 'self' "+s.url)
		io.WriteString(w, s.html)
	})
	site.HandleFunc("/token", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"token":"from the site"}`)
	})
	site.HandleFunc("/ping", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{}") })
	pages := httptest.NewServer(site)
	s.url, s.site = streams.URL, pages.URL
	s.html = fmt.Sprintf(recorder, s.url)
	t.Cleanup(func() {
		close(s.ticks)
		streams.CloseClientConnections()
		pages.CloseClientConnections()
		streams.Close()
		pages.Close()
	})
	return s
}

// open returns a tab on the server's page.
func (s *server) open() *browser.Page {
	s.t.Helper()
	return browser.NewPage(s.t, s.site+"/page")
}

// connect opens a page and connects it with the given option text in addition to url.
func (s *server) connect(options string) *browser.Page {
	s.t.Helper()
	p := s.open()
	p.Run(fmt.Sprintf("connect(Object.assign({url: %q}, %s));", s.url, options))
	return p
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	if r.Method == http.MethodOptions { // only what the protocol needs, so that anything else fails here
		w.Header().Set("Access-Control-Allow-Headers", "authorization")
		w.Header().Set("Access-Control-Expose-Headers", "Retry-After")
		return
	}
	w.Header().Set("Access-Control-Expose-Headers", "Retry-After")
	c := &call{t: s.t, method: r.Method, path: r.URL.Path, query: r.URL.Query(), header: r.Header.Clone(),
		ctx: r.Context(), steps: make(chan func(http.ResponseWriter) bool)}
	s.calls <- c
	for {
		select {
		case step := <-c.steps:
			if !step(w) {
				return
			}
		case <-r.Context().Done():
			return
		case <-s.ticks:
			return
		}
	}
}

// next returns the next request, which must be for path.
func (s *server) next(path string) *call {
	s.t.Helper()
	select {
	case c := <-s.calls:
		if c.path != path {
			s.t.Fatalf("request for %s, want %s", c.path, path)
		}
		return c
	case <-time.After(browser.Patience):
		s.t.Fatalf("no request for %s came", path)
		return nil
	}
}

// quiet checks that the page sends nothing more: it lets the page make 20 round trips to its site, each longer than
// the 1 ms back-off of these tests, and finds no request here.
func (s *server) quiet(p *browser.Page) {
	s.t.Helper()
	p.Get("(async () => { for (let i = 0; i < 20; i++) await (await fetch('/ping', {cache: 'no-store'})).text(); })()")
	select {
	case c := <-s.calls:
		s.t.Fatalf("a request for %s came, want none", c.path)
	default:
	}
}

// call is one request, held open.
type call struct {
	t      *testing.T
	method string
	path   string
	query  url.Values
	header http.Header
	ctx    context.Context
	steps  chan func(http.ResponseWriter) bool // false ends the response
}

func (c *call) step(f func(http.ResponseWriter) bool) {
	c.t.Helper()
	select {
	case c.steps <- f:
	case <-c.ctx.Done():
		c.t.Fatal("the client has gone")
	case <-time.After(browser.Patience):
		c.t.Fatal("the answer is over")
	}
}

// send writes stream text, preceded by the stream's headers at the first call.
func (c *call) send(text string) {
	c.t.Helper()
	c.step(func(w http.ResponseWriter) bool {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-store, no-transform")
		io.WriteString(w, text)
		w.(http.Flusher).Flush()
		return true
	})
}

// hold sends the headers of a stream and nothing more, as a proxy does that keeps the body.
func (c *call) hold() { c.t.Helper(); c.send("") }

// end closes the stream as a server does.
func (c *call) end() { c.t.Helper(); c.step(func(http.ResponseWriter) bool { return false }) }

// answer sends a whole response; headers are name, value, …
func (c *call) answer(status int, body string, headers ...string) {
	c.t.Helper()
	c.step(func(w http.ResponseWriter) bool {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
		return false
	})
}

// page answers a poll.
func (c *call) page(cursor string, events ...string) {
	c.t.Helper()
	data := []json.RawMessage{}
	for _, e := range events {
		data = append(data, json.RawMessage(e))
	}
	b, err := json.Marshal(map[string]any{"data": data, "next_cursor": cursor})
	if err != nil {
		c.t.Fatal(err)
	}
	c.answer(200, string(b), "Content-Type", "application/json")
}

// gone returns when the client has closed the connection.
func (c *call) gone() {
	c.t.Helper()
	select {
	case <-c.ctx.Done():
	case <-time.After(browser.Patience):
		c.t.Fatal("the client keeps the connection")
	}
}

// wants checks a query parameter; "" means absent.
func (c *call) wants(name, value string) {
	c.t.Helper()
	if got := c.query.Get(name); got != value {
		c.t.Fatalf("%s: %s=%q, want %q", c.path, name, got, value)
	}
}

// first is a stream's first frame: the browser reconnects after 1 ms, the cursor is known before any event.
func first(cursor string) string {
	return "retry: 1\nid: " + cursor + "\nevent: hookcast.open\ndata: {\"heartbeat_ms\":40000}\n\n"
}

// opened is first on a stream that tells its id.
func opened(cursor, connection string) string {
	return "retry: 1\nid: " + cursor + "\n" + named("open", "",
		`{"heartbeat_ms":40000,"connection_id":"`+connection+`"}`)
}

// envelope returns event number seq of the channel.
func envelope(channel string, seq int) string {
	return fmt.Sprintf(
		`{"id":"evt_%d","seq":%d,"channel":%q,"type":"order.created","data":{"n":%d},"time":"2026-01-02T03:04:05Z"}`,
		seq, seq, channel, seq)
}

// event returns event number seq of channel orders, as a stream with types=off carries it.
func event(seq int) string {
	return fmt.Sprintf("id: %d\ndata: %s\n\n", seq, envelope("orders", seq))
}

// named returns a control frame; id may be "".
func named(name, id, data string) string {
	if id != "" {
		id = "id: " + id + "\n"
	}
	return id + "event: hookcast." + name + "\ndata: " + data + "\n\n"
}
