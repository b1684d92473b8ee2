package streamer

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/streamer/ndjson"
	"github.com/hookcast/hookcast/streamer/sse"
)

// transport is a way to listen, for tests that run on all of them.
type transport struct {
	name string
	open func(t testing.TB, w *world, query string, lines ...string) wire
}

// client is a client's end of a connection, or of consecutive polls.
type client interface {
	// read returns the next item, without signs of life and the first frame.
	read() (told, error)
	// ended returns nil if the server has ended the stream as the transport requires, instead of breaking it.
	ended() error
	net.Conn // to break rules with
}

// wire is a client that fails its test.
type wire struct{ client }

func (w wire) next(t testing.TB) told {
	t.Helper()
	v, err := w.read()
	if err != nil {
		t.Fatalf("nothing comes: %v", err)
	}
	return v
}

func (w wire) isOver(t testing.TB) {
	t.Helper()
	if err := w.ended(); err != nil {
		t.Fatalf("want the end, got %v", err)
	}
}

// told is an event (its type, its payload), a control (its name, a JSON object), or a refusal (a problem's code).
type told struct {
	name, data, cursor string
	retry              bool
}

// refusals are the controls of a stream that correspond to statuses.
var refusals = map[int]string{204: sse.Ended, 401: sse.Expired, 403: sse.Denied, 429: sse.Quota, 503: sse.Goodbye}

func refusal(res *http.Response) told {
	return told{refusals[res.StatusCode], "", hub.Stop, res.Header.Get("Retry-After") != ""}
}

var transports = []transport{
	{"sse", func(t testing.TB, w *world, query string, lines ...string) wire {
		c := w.ask(t, "/v1/stream?"+query, append(lines, eventSource)...)
		s := readStream(t, c)
		return wire{&events{Conn: c, s: s}}
	}},
	{"ndjson", func(t testing.TB, w *world, query string, lines ...string) wire {
		return openLines(t, w.ask(t, "/v1/stream?"+query, append(lines, "Accept: "+ndjson.ContentType)...), "chunked")
	}},
	{"ndjson on HTTP 1.0", func(t testing.TB, w *world, query string, lines ...string) wire {
		c := w.dial(t)
		io.WriteString(c, "GET /v1/stream?"+query+" HTTP/1.0\r\nAccept: "+ndjson.ContentType+"\r\n"+
			strings.Join(append(lines, "\r\n"), "\r\n"))
		return openLines(t, c, "")
	}},
	{"websocket", openSocket},
	{"poll", func(t testing.TB, w *world, query string, lines ...string) wire {
		p := &polls{w: w, query: query, lines: lines}
		if err := p.ask(query); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Conn.Close() })
		return wire{p}
	}},
}

// onEveryTransport runs a test on each transport and with both of the hub's sinks.
func onEveryTransport(t *testing.T, test func(t *testing.T, tr transport, sink func(*hub.Options))) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			bothSinks(t, func(t *testing.T, sink func(*hub.Options)) { test(t, tr, sink) })
		})
	}
}

// onAllTransports is onEveryTransport for a test that waits for seconds: they wait together.
func onAllTransports(t *testing.T, test func(t *testing.T, tr transport, sink func(*hub.Options))) {
	t.Parallel()
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			t.Parallel()
			bothSinks(t, func(t *testing.T, sink func(*hub.Options)) {
				t.Parallel()
				test(t, tr, sink)
			})
		})
	}
}

// events is a wire of server-sent events.
type events struct {
	net.Conn
	s *stream
}

func (e *events) read() (told, error) {
	if e.s.head.StatusCode != 200 {
		return refusal(e.s.head), nil
	}
	for {
		before := e.s.Retry()
		v, err := e.s.Next()
		if err != nil || v.Name != sse.Open && v.Name != sse.Heartbeat {
			return told{v.Name, string(v.Data), v.ID, e.s.Retry() != before}, err
		}
	}
}

func (e *events) ended() error {
	if e.s.head.StatusCode != 200 {
		return nil
	}
	return nothing(e.s.head.Body)
}

// nothing returns nil if r ends at once.
func nothing(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err == nil && len(b) > 0 {
		err = fmt.Errorf("%q", b)
	}
	return err
}

// lines is a wire of NDJSON.
type lines struct {
	net.Conn
	res  *http.Response
	body *bufio.Reader
}

func openLines(t testing.TB, c net.Conn, encoding string) wire {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode == 200 && (strings.Join(res.TransferEncoding, " ") != encoding ||
		res.Header.Get("Content-Type") != ndjson.ContentType ||
		res.Header.Get("Cache-Control") != "no-store, no-transform" || !res.Close || res.ContentLength != -1) {
		t.Fatalf("head: %v", res)
	}
	return wire{&lines{c, res, bufio.NewReader(res.Body)}}
}

func (l *lines) read() (told, error) {
	if l.res.StatusCode != 200 {
		return refusal(l.res), nil
	}
	for {
		line, err := l.body.ReadBytes('\n')
		if err != nil {
			return told{}, err
		}
		if v, err := readObject(line); err != nil || v.name != sse.Open && v.name != sse.Heartbeat {
			return v, err
		}
	}
}

func (l *lines) ended() error {
	if l.res.StatusCode != 200 {
		return nil
	}
	return nothing(l.body) // a stream in chunks without a last chunk is an error
}

// readObject reads an object of a stream or a poll, and gives a control's members the form that SSE gives them.
func readObject(line []byte) (told, error) {
	var v struct {
		Type, Cursor string
		Data         json.RawMessage
		Retry        int64 `json:"retry_ms"`
	}
	if err := json.Unmarshal(line, &v); err != nil {
		return told{}, fmt.Errorf("%.200q: %w", line, err)
	}
	got := told{v.Type, string(v.Data), v.Cursor, v.Retry > 0}
	if !strings.HasPrefix(v.Type, "hookcast.") {
		json.Unmarshal(v.Data, &got.data) // a payload that is not JSON
		return got, nil
	}
	if v.Data != nil {
		return got, fmt.Errorf("a control with data: %s", line)
	}
	rest, _ := strings.CutPrefix(strings.TrimSpace(string(line)), `{"type":"`+v.Type+`"`)
	rest, _, _ = strings.Cut(rest, `,"cursor":`)
	rest, _, _ = strings.Cut(rest, `,"retry_ms":`)
	got.data = "{" + strings.Trim(rest, ",}") + "}"
	return got, nil
}

// polls is a wire of long polls.
type polls struct {
	net.Conn
	w      *world
	query  string
	lines  []string
	got    []told
	closes bool // the last response said that it closes the connection
}

// ask sends the next poll, which waits when the test continues.
func (p *polls) ask(query string) (err error) {
	if p.Conn != nil {
		p.Conn.Close()
	}
	if p.Conn, err = net.Dial("tcp", p.w.addr); err != nil {
		return err
	}
	p.SetDeadline(time.Now().Add(20 * time.Second))
	_, err = io.WriteString(p, "GET /v1/poll?wait=20&"+query+head+strings.Join(append(p.lines, "\r\n"), "\r\n"))
	return err
}

func (p *polls) read() (told, error) {
	for len(p.got) == 0 {
		res, err := http.ReadResponse(bufio.NewReader(p), nil)
		if err != nil {
			return told{}, err
		}
		p.closes = res.Close
		b, err := io.ReadAll(res.Body)
		if err != nil {
			return told{}, err
		}
		if res.StatusCode != 200 {
			return refusal(res), nil
		}
		var page struct {
			Data []json.RawMessage
			Next string `json:"next_cursor"`
		}
		if err := json.Unmarshal(b, &page); err != nil {
			return told{}, fmt.Errorf("%.200q: %w", b, err)
		}
		for _, item := range page.Data {
			v, err := readObject(item)
			if err != nil {
				return v, err
			}
			p.got = append(p.got, v)
		}
		if len(p.got) > 0 { // the cursor is that of the whole page
			p.got[len(p.got)-1].cursor = page.Next
		} else if page.Next == hub.Stop {
			return told{sse.Ended, "", hub.Stop, false}, nil
		}
		p.lines = without(p.lines, "Last-Event-ID:")
		if err := p.ask(strings.Join(without(strings.Split(p.query, "&"), "after="), "&") + "&after=" +
			page.Next); err != nil {
			return told{}, err
		}
	}
	v := p.got[0]
	p.got = p.got[1:]
	return v, nil
}

func without(list []string, prefix string) (kept []string) {
	for _, s := range list {
		if !strings.HasPrefix(s, prefix) {
			kept = append(kept, s)
		}
	}
	return kept
}

func (p *polls) ended() error {
	if !p.closes {
		return nil
	}
	return nothing(p.Conn)
}
