package streamer

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/tenants/eventstream"
	"github.com/hookcast/hookcast/tenants/quota"
)

func TestAPanicInAHijackHandlerClosesTheConnectionAndTheProcessLives(t *testing.T) {
	w := prepare(t, func(*hub.Options) {}, func(o *Options) { o.Pages = nil })
	w.fiber.Get("/hijack", func(c *fiber.Ctx) error {
		w.hijack(c.Context(), func(net.Conn) { panic("at the worst moment") })
		return nil
	})
	w.fiber.Server().Handler = w.wrap(w.fiber.Handler()) // makes the route count
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.serve(t, ln)
	c := w.dial(t)
	io.WriteString(c, "GET /hijack"+head+"\r\n")
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("read %d, %v", n, err)
	}
	if a, _ := w.talk(t, "GET /healthz"+head+"\r\n"); a.StatusCode != 200 {
		t.Errorf("afterwards: %d", a.StatusCode)
	}
	if !strings.Contains(w.log.String(), "at the worst moment") {
		t.Error("the panic is not in the log")
	}
	eventually(t, "only the other connection is counted", func() bool { return w.App.listener.Load().count() == 1 })
}

// deadlineless makes connections whose deadlines cannot be cleared, so that fasthttp never runs a hijack handler.
type deadlineless struct{ net.Listener }

type deadlinelessConn struct{ net.Conn }

func (l deadlineless) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return deadlinelessConn{c}, err
}

func (deadlinelessConn) SetDeadline(time.Time) error { return errors.New("no deadline today") }

func TestASlotComesBackAtOnceWhenTheHijackHandlerNeverRuns(t *testing.T) {
	w := prepare(t, func(*hub.Options) {})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.serve(t, deadlineless{ln})
	tenant, key := w.tenant(t)
	for range 3 {
		c := w.dial(t)
		io.WriteString(c, "GET /v1/stream?channel=a"+head+auth(key)+"\r\n\r\n")
		if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
			t.Fatalf("read %d, %v", n, err)
		}
	}
	if !strings.Contains(w.log.String(), "status=200") {
		t.Error("the route did not get as far as the hijack")
	}
	if u := w.o.Admission.Usage(tenant); u != (quota.Usage{}) {
		t.Errorf("slots are held: %+v", u)
	}
	eventually(t, "no connection is counted", func() bool { return w.App.listener.Load().count() == 0 })
}

func TestWhatIsPipelinedBehindAStreamIsIgnored(t *testing.T) {
	bothSinks(t, func(t *testing.T, sink func(*hub.Options)) {
		w := newWorldOn(t, sink)
		tenant, key := w.tenant(t)
		c := w.dial(t)
		// One answered request, a stream, a request and junk in one write: nothing is served after the stream.
		io.WriteString(c, "GET /healthz"+head+"\r\nGET /v1/stream?channel=a"+head+auth(key)+"\r\n\r\nGET /panic"+
			head+"\r\n\x00\x01junk")
		r := bufio.NewReader(c)
		if a := readAnswer(t, r, "GET"); a.body != "ok\n" {
			t.Fatal(a)
		}
		head := readHead(t, r)
		if !strings.HasPrefix(head, "HTTP/1.1 200 OK\r\n") || !strings.Contains(head, "text/event-stream") {
			t.Fatal(head)
		}
		s := &stream{Conn: c, Decoder: eventstream.NewDecoder(r, 1<<20)}
		if e := s.next(t); e.Name != sse.Open {
			t.Fatal(e)
		}
		w.publish(t, tenant, "a", "x")
		s.want(t, "note", "x", "1")
		if strings.Contains(w.log.String(), "panic") {
			t.Error("a pipelined request was served")
		}
	})
}

func readHead(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("after %q: %v", b.String(), err)
		}
		b.WriteString(line)
		if line == "\r\n" {
			return b.String()
		}
	}
}

func TestHTTP10GetsTheSameStream(t *testing.T) {
	w := newWorld(t)
	tenant, key := w.tenant(t)
	for _, connection := range []string{"", "Connection: keep-alive\r\n", "Connection: close\r\n"} {
		c := w.dial(t)
		io.WriteString(c, "GET /v1/stream?channel=a HTTP/1.0\r\n"+connection+auth(key)+"\r\n\r\n")
		r := bufio.NewReader(c)
		if h := readHead(t, r); !strings.Contains(h, "Connection: close\r\n") || strings.Contains(h, "chunked") ||
			strings.Contains(h, "Content-Length") {
			t.Fatal(h)
		}
		s := &stream{Conn: c, Decoder: eventstream.NewDecoder(r, 1<<20)}
		first := s.next(t)
		w.publish(t, tenant, "a", "x")
		if e := s.next(t); string(e.Data) != "x" || first.Name != sse.Open {
			t.Errorf("%v, %v", first, e)
		}
	}
}

func TestAStreamTakesNoBody(t *testing.T) {
	w := newWorld(t)
	_, key := w.tenant(t)
	for _, body := range []string{"Content-Length: 1\r\n\r\nx",
		"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"} {
		if a, closed := w.talk(t, "GET /v1/stream?channel=a"+head+auth(key)+"\r\n"+body); a.StatusCode != 400 ||
			!closed {
			t.Errorf("%d, closed %v: %s", a.StatusCode, closed, a.body)
		}
	}
}
