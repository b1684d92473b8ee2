package streamer

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/quota"
)

// A client that sends very slowly has no more time than one that does not.
func TestARequestOfAByteNowAndThenGets408(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.ReadTimeout = time.Second })
	for name, raw := range map[string]string{
		"headers": "GET /v1/stream?channel=a HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("x", 10_000),
		"a body":  "POST /echo" + head + "Content-Length: 10000\r\n\r\n" + strings.Repeat("x", 9_000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := w.dial(t)
			answered := make(chan struct{})
			go func() { // until the response comes, or the server closes the connection
				tick := time.NewTicker(5 * time.Millisecond)
				defer tick.Stop()
				for i := range len(raw) {
					select {
					case <-answered:
						return
					case <-tick.C:
					}
					if _, err := io.WriteString(c, raw[i:i+1]); err != nil {
						return
					}
				}
			}()
			a := readAnswer(t, bufio.NewReader(c), "GET")
			close(answered)
			if a.StatusCode != 408 || !a.Close {
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
		})
	}
}

// A client that closes its side has gone: it reads nothing that it could resume from later.
func TestAHalfOpenConnectionIsOver(t *testing.T) {
	onEveryTransport(t, func(t *testing.T, tr transport, sink func(*hub.Options)) {
		w := newWorldOn(t, sink)
		tenant, key := w.tenant(t)
		c := tr.open(t, w, "channel=a", auth(key))
		w.connected(t, 1)
		var tcp net.Conn = c.client
		switch v := c.client.(type) {
		case *events:
			tcp = v.Conn
		case *lines:
			tcp = v.Conn
		case *sockets:
			tcp = v.Conn
		case *polls:
			tcp = v.Conn
		}
		if err := tcp.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "its slot is free", func() bool {
			return w.o.Admission.Usage(tenant) == quota.Usage{} && w.hub.Stats().Ended["left"] == 1
		})
	})
}

func TestNoTransportTakesABody(t *testing.T) {
	w := newWorld(t)
	_, key := w.tenant(t)
	const trap = "GET /panic" + head + "\r\n"
	for path, lines := range map[string]string{
		"/v1/stream?channel=a":         "Accept: text/event-stream\r\n",
		"/v1/stream?channel=a&x=lines": "Accept: application/x-ndjson\r\n",
		"/v1/poll?channel=a":           "",
		"/v1/ws?channel=a":             upgrade,
		"/v1/ws?channel=a&x=page":      upgrade + pageOrigin + "\r\n",
	} {
		for _, framing := range []string{"Content-Length: 33\r\n\r\n" + trap,
			"Transfer-Encoding: chunked\r\n\r\n21\r\n" + trap + "\r\n0\r\n\r\n"} {
			c := w.dial(t)
			io.WriteString(c, "GET "+path+head+lines+auth(key)+"\r\n"+framing)
			b, _ := io.ReadAll(c) // to the close: bytes after the head are not a request
			if !strings.Contains(string(b), "body_not_taken") || strings.Count(string(b), "HTTP/1.1 ") != 1 {
				t.Errorf("%s: %q", path, b)
			}
		}
	}
	if strings.Contains(w.log.String(), "panic") {
		t.Error("a body was taken for a request")
	}
}

// A request pipelined after a request for a stream is not served, on any transport.
func TestNothingIsServedBehindAStream(t *testing.T) {
	bothSinks(t, func(t *testing.T, sink func(*hub.Options)) {
		w := newWorldOn(t, sink)
		tenant, key := w.tenant(t)
		for channel, request := range map[string]string{
			"a": "GET /v1/stream?after=0&channel=a" + head + "Accept: application/x-ndjson\r\n",
			"b": "GET /v1/poll?wait=20&after=0&channel=b" + head,
		} {
			c := w.dial(t)
			io.WriteString(c, request+auth(key)+"\r\n\r\nGET /panic"+head+"\r\n\x00junk")
			w.connected(t, 1)
			w.append(t, tenant, channel, func(e *tenants.Event) { e.End = true }, "bye")
			b, err := io.ReadAll(c)
			if err != nil || strings.Count(string(b), "HTTP/1.1 ") != 1 || !strings.Contains(string(b), "bye") {
				t.Errorf("%s: %q, %v", channel, b, err)
			}
			w.connected(t, 0)
		}
		if strings.Contains(w.log.String(), "panic") {
			t.Error("a pipelined request was served")
		}
	})
}
