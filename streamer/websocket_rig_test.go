package streamer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/hookcast/hookcast/streamer/sse"
)

// sockets is a wire of WebSocket, by an independent implementation of the protocol.
type sockets struct {
	net.Conn
	ws  *websocket.Conn
	res *http.Response // if the server refused the handshake
}

// page is the origin that test clients name, as a browser's page does: refusals come after the handshake.
const pageOrigin = "Origin: https://app.example.com"

func openSocket(t testing.TB, w *world, query string, lines ...string) wire {
	t.Helper()
	s := &sockets{}
	h := http.Header{}
	for _, line := range append(lines, pageOrigin) {
		name, value, _ := strings.Cut(line, ": ")
		h.Set(name, value)
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil {
			s.Conn = c
			c.SetDeadline(time.Now().Add(20 * time.Second))
			t.Cleanup(func() { c.Close() })
		}
		return c, err
	}}
	c, res, err := websocket.Dial(t.Context(), "ws://"+w.addr+"/v1/ws?"+query,
		&websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}, HTTPHeader: h})
	if err != nil {
		if res == nil || res.StatusCode == 101 {
			t.Fatal(err)
		}
		s.res = res
		return wire{s}
	}
	c.SetReadLimit(1 << 20)
	s.ws = c
	return wire{s}
}

func (s *sockets) read() (told, error) {
	if s.res != nil {
		return refusal(s.res), nil
	}
	for {
		kind, b, err := s.ws.Read(context.Background())
		if err != nil {
			return told{}, err
		}
		if kind != websocket.MessageText {
			return told{}, fmt.Errorf("a message of kind %v", kind)
		}
		if v, err := readObject(b); err != nil || v.name != sse.Open && v.name != sse.Heartbeat {
			return v, err
		}
	}
}

// ended checks that the close frame says what the last message said, and that no byte follows it.
func (s *sockets) ended() error {
	if s.res != nil {
		return nil
	}
	_, b, err := s.ws.Read(context.Background())
	e, ok := errors.AsType[websocket.CloseError](err)
	if !ok {
		return fmt.Errorf("got %q, %v", b, err)
	}
	codes := map[string]websocket.StatusCode{
		sse.Ended: websocket.StatusNormalClosure, sse.Goodbye: websocket.StatusGoingAway,
		sse.Quota: websocket.StatusPolicyViolation, sse.Denied: websocket.StatusPolicyViolation,
		sse.Expired: websocket.StatusPolicyViolation,
	}
	if code, ok := codes[e.Reason]; !ok || code != e.Code {
		return fmt.Errorf("closed with %d %s", e.Code, e.Reason)
	}
	return nil
}
