package streamer

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/streamer/ws"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/quota"
	"github.com/hookcast/hookcast/tenants/token"
)

const upgrade = "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: " +
	"13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

func TestAHandshakeThatIsNoneIsToldSo(t *testing.T) {
	w := newWorld(t)
	_, key := w.tenant(t)
	change := func(from, to string) string { return head + strings.Replace(upgrade, from, to, 1) }
	for name, c := range map[string]struct {
		request string
		status  int
		code    string
	}{
		"no upgrade at all": {head, 426, "upgrade_required"},
		"another protocol":  {change("WebSocket\r", "h2c\r"), 426, "upgrade_required"},
		"no connection option": {change("Connection: keep-alive, Upgrade", "Connection: keep-alive"),
			426, "upgrade_required"},
		"HTTP/1.0":       {" HTTP/1.0\r\n" + upgrade, 426, "upgrade_required"},
		"an old version": {change("Version: 13", "Version: 8"), 426, "upgrade_required"},
		"no version":     {change("Sec-WebSocket-Version: 13\r\n", ""), 426, "upgrade_required"},
		"a version twice": {change("Sec-WebSocket-Version: 13\r\n",
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13\r\n"), 426, "upgrade_required"},
		"no key": {change("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""),
			400, "invalid_websocket_key"},
		"a short key":           {change("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIA=="), 400, "invalid_websocket_key"},
		"a key that is no such": {change("dGhlIHNhbXBsZSBub25jZQ==", "?"), 400, "invalid_websocket_key"},
		"a body":                {head + upgrade + "Content-Length: 1\r\n", 400, "body_not_taken"},
		"no credential":         {"", 401, "credential_missing"},
	} {
		t.Run(name, func(t *testing.T) {
			raw := "GET /v1/ws?channel=a" + c.request + auth(key) + "\r\n\r\n"
			if name == "no credential" {
				raw = "GET /v1/ws?channel=a" + head + upgrade + "\r\n"
			}
			if name == "a body" {
				raw += "x"
			}
			a, _ := w.talk(t, raw)
			if a.StatusCode != c.status || !strings.Contains(a.body, `"code":"`+c.code+`"`) {
				t.Fatalf("%d %s", a.StatusCode, a.body)
			}
			if h := a.Header; c.status == 426 && (h.Get("Sec-WebSocket-Version") != "13" ||
				h.Get("Upgrade") != "websocket" || h.Get("Connection") != "Upgrade" && name != "HTTP/1.0") {
				t.Errorf("%v", h)
			}
		})
	}
	for _, method := range []string{"POST", "HEAD", "PUT"} {
		if a, _ := w.talk(t, method+" /v1/ws?channel=a"+head+upgrade+"\r\n"); a.StatusCode != 405 {
			t.Errorf("%s: %d", method, a.StatusCode)
		}
	}
}

func TestAPageOfAnotherOriginGetsNoWebSocket(t *testing.T) {
	w := newWorld(t)
	tenant, key := w.tenant(t)
	listed := []string{"https://app.example.com"}
	if _, err := w.accounts.Update(t.Context(), tenant, account.TenantPatch{Origins: &listed}); err != nil {
		t.Fatal(err)
	}
	for origin, status := range map[string]int{"https://app.example.com": 101, "https://evil.example.com": 403,
		"null": 403} {
		c := w.dial(t)
		io.WriteString(c, "GET /v1/ws?channel=a"+head+upgrade+auth(key)+"\r\nOrigin: "+origin+"\r\n\r\n")
		if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != status {
			t.Errorf("%s: %v, %v", origin, res, err)
		}
	}
}

// A program sees the status; a page, which could not see it, gets a message over the socket.
func TestRefusalsOfAWebSocket(t *testing.T) {
	w := newWorld(t)
	tenant, key := w.tenant(t)
	narrow := w.token(t, tenant, token.Spec{Subject: "alice", Channels: []string{"a"}, TTL: time.Hour})
	for name, c := range map[string]struct {
		query  string
		status int
		frame  string
		code   string
	}{
		"another channel": {"channel=b&token=" + narrow, 403, sse.Denied, "channel_forbidden"},
		"no channel":      {"token=" + narrow, 400, sse.Denied, "channel_missing"},
		"1,000 channels": {"token=" + narrow + strings.Repeat("&channel=a", 1000), 400, sse.Denied,
			"too_many_channels"},
		"a cursor of none":      {"channel=a&after=x&token=" + narrow, 400, sse.Denied, "invalid_cursor"},
		"a key in the URL":      {"channel=a&token=" + key, 400, sse.Denied, "credential_in_query"},
		"a token of junk":       {"channel=a&token=x.y.z", 401, sse.Denied, "token_malformed"},
		"a stream that is over": {"channel=a&after=!stop&token=" + narrow, 204, sse.Ended, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a, _ := w.talk(t, "GET /v1/ws?"+c.query+head+upgrade+"\r\n")
			if a.StatusCode != c.status || c.code != "" && !strings.Contains(a.body, `"code":"`+c.code+`"`) {
				t.Errorf("a program: %d %s", a.StatusCode, a.body)
			}
			s := openSocket(t, w, c.query)
			v := s.next(t)
			if v.name != c.frame || v.cursor != hub.Stop || !strings.Contains(v.data, c.code) {
				t.Errorf("a page: %+v", v)
			}
			s.isOver(t)
		})
	}
	if u := w.o.Admission.Usage(tenant); u != (quota.Usage{}) {
		t.Errorf("refused requests hold slots: %+v", u)
	}
	eventually(t, "no connection is left", func() bool { return w.App.listener.Load().count() == 0 })
}

// rawSocket is a WebSocket whose client is the test itself.
type rawSocket struct {
	net.Conn
	r *bufio.Reader
}

func (w *world) rawSocket(t testing.TB, query string, lines ...string) *rawSocket {
	t.Helper()
	c := w.dial(t)
	io.WriteString(c, "GET /v1/ws?"+query+head+upgrade+strings.Join(append(lines, "\r\n"), "\r\n"))
	r := bufio.NewReader(c)
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if h := res.Header; res.StatusCode != 101 || h.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" ||
		h.Get("Upgrade") != "websocket" ||
		h.Get("Connection") != "Upgrade" || h.Get("Sec-WebSocket-Extensions") != "" || h.Get("Content-Length") != "" ||
		h.Get("Request-Id") == "" {
		t.Fatal(res)
	}
	s := &rawSocket{c, r}
	if op, text := s.frame(t); op != 0x81 || !strings.Contains(text, sse.Open) {
		t.Fatalf("%x %s", op, text)
	}
	return s
}

// frame returns the next frame's first byte and payload. The server masks nothing.
func (s *rawSocket) frame(t testing.TB) (first byte, payload string) {
	t.Helper()
	var h [2]byte
	if _, err := io.ReadFull(s.r, h[:]); err != nil {
		t.Fatalf("no frame: %v", err)
	}
	n := int(h[1])
	if n == 126 {
		var b [2]byte
		io.ReadFull(s.r, b[:])
		n = int(binary.BigEndian.Uint16(b[:]))
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(s.r, b); err != nil {
		t.Fatal(err)
	}
	return h[0], string(b)
}

// say sends a frame, masked with zeros.
func (s *rawSocket) say(first byte, payload string) {
	b := []byte{first}
	if len(payload) <= 125 {
		b = append(b, 0x80|byte(len(payload)))
	} else {
		b = binary.BigEndian.AppendUint16(append(b, 0xfe), uint16(len(payload)))
	}
	s.Write(append(append(b, 0, 0, 0, 0), payload...))
}

// wantClosed checks that the server closes with the code, and then by FIN.
func (s *rawSocket) wantClosed(t testing.TB, code uint16) {
	t.Helper()
	first, payload := s.frame(t)
	if first != 0x88 || len(payload) < 2 || binary.BigEndian.Uint16([]byte(payload)) != code {
		t.Fatalf("got %x %q, want a close with %d", first, payload, code)
	}
	if b, err := io.ReadAll(s.r); err != nil || len(b) > 0 {
		t.Fatalf("behind the close came %q, %v", b, err)
	}
}

func TestAnEventIsOneMessageInTwoFragments(t *testing.T) {
	w := newWorld(t)
	tenant, key := w.tenant(t)
	s := w.rawSocket(t, "channel=a", auth(key))
	w.publish(t, tenant, "a", `{"n":1}`)
	first, body := s.frame(t)
	last, end := s.frame(t)
	if first != 0x01 || last != 0x80 || !strings.HasPrefix(body, `{"id":"evt_`) || end != `,"cursor":"1"}` ||
		!json.Valid([]byte(body+end)) {
		t.Errorf("%x %s, %x %s", first, body, last, end)
	}
}

func TestPingsAreAnsweredAndACloseIsAnsweredWithItsCode(t *testing.T) {
	bothSinks(t, func(t *testing.T, sink func(*hub.Options)) {
		w := newWorldOn(t, sink)
		_, key := w.tenant(t)
		for code, want := range map[string]string{"\x03\xe8bye": "\x03\xe8", "\x0f\xa0": "\x0f\xa0", "": ""} {
			s := w.rawSocket(t, "channel=a", auth(key))
			s.say(0x89, "Hello")
			if first, payload := s.frame(t); first != 0x8a || payload != "Hello" {
				t.Errorf("%x %q", first, payload)
			}
			s.say(0x8a, "a pong that nobody asked for")
			s.say(0x88, code)
			if first, payload := s.frame(t); first != 0x88 || payload != want {
				t.Errorf("closed with %q, answered with %x %q", code, first, payload)
			}
			if _, err := s.r.ReadByte(); !errors.Is(err, io.EOF) {
				t.Errorf("and then %v", err)
			}
			s.Close()
		}
		eventually(t, "all have left", func() bool {
			s := w.hub.Stats()
			return s.Ended["left"] == 3 && s.Connections == 0
		})
	})
}

func TestWhoBreaksTheProtocolIsToldHow(t *testing.T) {
	bothSinks(t, func(t *testing.T, sink func(*hub.Options)) {
		w := newWorldOn(t, sink)
		_, key := w.tenant(t)
		cases := map[string]struct {
			bytes string
			code  uint16
		}{
			"a gigabyte, claimed":     {"\x81\xff\x00\x00\x00\x00\x40\x00\x00\x00", 1009},
			"17 KB":                   {"\x81\xfe\x44\x00", 1009},
			"no mask":                 {"\x81\x05Hello", 1002},
			"binary":                  {"\x82\x80\x00\x00\x00\x00", 1003},
			"a reserved bit":          {"\xc1\x80\x00\x00\x00\x00", 1002},
			"a ping in fragments":     {"\x09\x80\x00\x00\x00\x00", 1002},
			"text that is no renewal": {"\x81\x85\x00\x00\x00\x00Hello", 1008},
			"another JSON":            {"\x81\x88\x00\x00\x00\x00{\"a\":\"b\"}"[:6] + `{"a":""}`, 1008},
			"text that is no UTF-8":   {"\x81\x81\x00\x00\x00\x00\xff", 1007},
			"HTTP":                    {"GET / HTTP/1.1\r\n\r\n", 1002},
		}
		for name, c := range cases {
			t.Run(name, func(t *testing.T) {
				s := w.rawSocket(t, "channel=a", auth(key))
				io.WriteString(s, c.bytes)
				s.wantClosed(t, c.code)
				s.Close()
			})
		}
		eventually(t, "all are counted", func() bool { return w.hub.Stats().Ended["rude"] == int64(len(cases)) })
	})
}

// A length that a client announces costs the server nothing, and its bytes are bounded over time.
func TestAFloodOfPingsIsCut(t *testing.T) {
	bothSinks(t, func(t *testing.T, sink func(*hub.Options)) {
		w := newWorldOn(t, sink)
		_, key := w.tenant(t)
		s := w.rawSocket(t, "channel=a", auth(key))
		ping := bytes.Repeat(append([]byte{0x89, 0xfd, 0, 0, 0, 0}, make([]byte, 125)...), 100)
		for range 1000 {
			if _, err := s.Write(ping); err != nil {
				break
			}
		}
		eventually(t, "it is cut", func() bool { return w.hub.Stats().Ended["rude"] == 1 })
	})
}

func TestWhoSpeaksBeforeTheAnswerIsHungUpOn(t *testing.T) {
	w := newWorld(t)
	tenant, key := w.tenant(t)
	c := w.dial(t)
	io.WriteString(c, "GET /v1/ws?channel=a"+head+upgrade+auth(key)+"\r\n\r\n\x89\x80\x00\x00\x00\x00")
	if b, err := io.ReadAll(c); len(b) > 0 {
		t.Errorf("%q, %v", b, err)
	}
	eventually(t, "its slot is free", func() bool {
		return w.o.Admission.Usage(tenant) == quota.Usage{} && w.App.listener.Load().count() == 0
	})
}

func TestAWebSocketIsRenewedByItsOwnTokens(t *testing.T) {
	bothSinks(t, func(t *testing.T, sink func(*hub.Options)) {
		w := newWorldOn(t, sink)
		tenant, key := w.tenant(t)
		stranger, _ := w.tenant(t)
		spec := token.Spec{Subject: "alice", Channels: []string{"a"}, TTL: time.Hour}
		s := w.rawSocket(t, "channel=a&token="+w.token(t, tenant, spec))
		renew := func(raw string) string {
			b, _ := json.Marshal(map[string]string{"renew": raw})
			s.say(0x81, string(b))
			_, text := s.frame(t)
			return text
		}
		other, narrow, bob := spec, spec, spec
		other.TTL, narrow.Channels, bob.Subject = 2*time.Hour, []string{"b"}, "bob"
		revoked := w.token(t, tenant, spec)
		if err := w.tokens.Revoke(t.Context(), tenant, token.Revocation{Raw: revoked}); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct{ name, raw, want string }{
			{"a new one", w.token(t, tenant, other), `{"type":"hookcast.renewed","expires_at":"20`},
			{"another subject's", w.token(t, tenant, bob),
				`{"type":"hookcast.renewal_refused","code":"connection_of_another"`},
			{"another tenant's", w.token(t, stranger, spec),
				`{"type":"hookcast.renewal_refused","code":"connection_of_another"`},
			{"one without the right", w.token(t, tenant, narrow),
				`{"type":"hookcast.renewal_refused","code":"channel_forbidden"`},
			{"a revoked one", revoked, `{"type":"hookcast.renewal_refused","code":"token_revoked"`},
			{"junk", "x.y.z", `{"type":"hookcast.renewal_refused","code":"token_malformed"`},
			{"a key", key, `{"type":"hookcast.renewal_refused","code":"token_malformed"`},
		} {
			if got := renew(c.raw); !strings.HasPrefix(got, c.want) {
				t.Errorf("%s: %s, want %s", c.name, got, c.want)
			}
		}
		if list := w.hub.Connections(tenant); len(list) != 1 ||
			time.Until(list[0].Principal.Expires) < 90*time.Minute || list[0].Transport != "websocket" {
			t.Errorf("%+v", list)
		}
		w.publish(t, tenant, "a", "still here")
		if _, body := s.frame(t); !strings.Contains(body, "still here") {
			t.Error(body)
		}
	})
}

// Large events, many of them, several channels, an independent client: nothing is lost or repeated.
func TestMuchGoesThroughAWebSocket(t *testing.T) {
	bothSinks(t, func(t *testing.T, sink func(*hub.Options)) {
		w := newWorldOn(t, func(o *hub.Options) {
			sink(o)
			o.UnsentBytes = 1 << 30 // nothing is read before all events are published
		})
		tenant, key := w.tenant(t)
		s := openSocket(t, w, "channel=a&channel=b", auth(key))
		w.connected(t, 1)
		s.client.(*sockets).ws.SetReadLimit(4 << 20)
		want := map[string]int{}
		for i := range 50 {
			channel := "ab"[i%2 : i%2+1]
			w.publish(t, tenant, channel, fmt.Sprint(channel, i, strings.Repeat("é", i*2000)))
			want[channel]++
		}
		last := map[string]int{"a": -2, "b": -1}
		for range 50 {
			v := s.next(t)
			var i int
			fmt.Sscanf(v.data[1:], "%d", &i)
			channel := v.data[:1]
			if i != last[channel]+2 || !strings.HasSuffix(v.data, strings.Repeat("é", i*2000)) {
				t.Fatalf("after %s%d came %.20s", channel, last[channel], v.data)
			}
			last[channel] = i
		}
		if err := s.client.(*sockets).ws.Close(websocket.StatusNormalClosure, "enough"); err != nil {
			t.Errorf("the closing handshake: %v", err)
		}
	})
}

var _ hub.Format = ws.Format{}
