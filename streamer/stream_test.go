package streamer

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/eventstream"
	"github.com/hookcast/hookcast/tenants/quota"
	"github.com/hookcast/hookcast/tenants/token"
)

// bothSinks runs a test with the hub's epoll and with its goroutine writer.
func bothSinks(t *testing.T, test func(t *testing.T, h func(*hub.Options))) {
	for _, goroutines := range []bool{false, true} {
		t.Run(fmt.Sprintf("goroutines=%v", goroutines), func(t *testing.T) {
			test(t, func(o *hub.Options) { o.Goroutines = goroutines })
		})
	}
}

// publish appends events with these payloads to the tenant's channel and notifies the hub, as an appender does.
func (w *world) publish(t testing.TB, tenant tenants.TenantID, channel string, payloads ...string) {
	t.Helper()
	w.append(t, tenant, channel, func(e *tenants.Event) {}, payloads...)
}

func (w *world) append(t testing.TB, tenant tenants.TenantID, channel string, change func(*tenants.Event),
	payloads ...string) {
	t.Helper()
	var events []tenants.Event
	for _, p := range payloads {
		e := tenants.Event{ID: tenants.NewID(tenants.PrefixEvent), Tenant: tenant, Channel: channel, Type: "note",
			Data: []byte(p), Time: time.Now().UTC()}
		change(&e)
		events = append(events, e)
	}
	events, err := w.events.Append(t.Context(), tenant, channel, events)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.hub.Send(context.WithoutCancel(t.Context()),
		testNode, tenants.InboxMessage{Tenant: tenant, Channel: channel, Events: events}); err != nil {
		t.Fatal(err)
	}
}

// stream is an open stream.
type stream struct {
	net.Conn
	*eventstream.Decoder
	head *http.Response
}

// open sends a GET for target with these header lines and reads the response's head.
func (w *world) open(t testing.TB, target string, lines ...string) *stream {
	t.Helper()
	return readStream(t, w.ask(t, target, lines...))
}

// ask sends a GET and does not wait.
func (w *world) ask(t testing.TB, target string, lines ...string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, "GET "+target+head+strings.Join(append(lines, "\r\n"), "\r\n")); err != nil {
		t.Fatal(err)
	}
	return c
}

func readStream(t testing.TB, c net.Conn) *stream {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	return &stream{c, eventstream.NewDecoder(res.Body, 1<<20), res}
}

// next returns the next event.
func (s *stream) next(t testing.TB) eventstream.Event {
	t.Helper()
	e, err := s.Next()
	if err != nil {
		t.Fatalf("no event: %v", err)
	}
	return e
}

func (s *stream) want(t testing.TB, name, data, id string) {
	t.Helper()
	if e := s.next(t); e.Name != name || string(e.Data) != data || e.ID != id {
		t.Fatalf("got %s %q id %s, want %s %q id %s", e.Name, e.Data, e.ID, name, data, id)
	}
}

// ended checks that the server has closed the stream, by FIN.
func (s *stream) ended(t testing.TB) {
	t.Helper()
	if e, err := s.Next(); !errors.Is(err, io.EOF) {
		t.Fatalf("got %v %v, want the end", e, err)
	}
}

func auth(secret string) string { return "Authorization: Bearer " + secret }

const eventSource = "Accept: text/event-stream"

// eventually waits for another goroutine or the kernel.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestAStreamCarriesWhatIsBehindItsCursorAndThenWhatComes(t *testing.T) {
	bothSinks(t, func(t *testing.T, sink func(*hub.Options)) {
		w := newWorldOn(t, sink)
		tenant, key := w.tenant(t)
		w.publish(t, tenant, "orders.1", "a", "b", "c")
		s := w.open(t, "/v1/stream?channel=orders.1&after=1", auth(key))
		h := s.head.Header
		if s.head.StatusCode != 200 || h.Get("Content-Type") != "text/event-stream; charset=utf-8" ||
			h.Get("Cache-Control") != "no-store, no-transform" ||
			h.Get("X-Accel-Buffering") != "no" || !s.head.Close || h.Get("Request-Id") == "" ||
			h.Get("Referrer-Policy") != "no-referrer" ||
			h.Get("Date") == "" || s.head.ContentLength != -1 || len(s.head.TransferEncoding) > 0 {
			t.Fatalf("head: %v", s.head)
		}
		if first := s.next(t); first.Name != sse.Open || first.ID != "1" || s.Retry() == 0 {
			t.Fatalf("first frame: %v, retry %v", first, s.Retry())
		}
		s.want(t, "note", "b", "2")
		s.want(t, "note", "c", "3")
		w.publish(t, tenant, "orders.1", "d")
		s.want(t, "note", "d", "4")

		// Last-Event-ID is more recent than the address, which a browser repeats.
		again := w.open(t, "/v1/stream?channel=orders.1&after=1", auth(key), "Last-Event-ID: 3")
		again.next(t)
		again.want(t, "note", "d", "4")
		if w.ready() != nil || w.App.listener.Load().attached.Load() != 2 {
			t.Errorf("attached: %d", w.App.listener.Load().attached.Load())
		}
		s.Close()
		again.Close()
		eventually(t, "both places are free", func() bool {
			return w.App.listener.Load().count() == 0 && w.o.Admission.Usage(tenant) == quota.Usage{}
		})
	})
}

func TestFormatsOfAStream(t *testing.T) {
	w := newWorld(t)
	tenant, key := w.tenant(t)
	w.publish(t, tenant, "a", `{"n":1}`)
	for query, want := range map[string]struct{ name, member string }{
		"":                              {"note", `{"n":1}`},
		"&types=on&format=raw":          {"note", `{"n":1}`},
		"&types=off":                    {"message", `"type":"note"`},
		"&format=cloudevents":           {"note", `"specversion":"1.0"`},
		"&format=cloudevents&types=off": {"message", `"type":"note"`},
		"&format=original":              {"message", `"data_base64":"eyJuIjoxfQ=="`},
	} {
		s := w.open(t, "/v1/stream?channel=a&after=0"+query, auth(key))
		s.next(t)
		if e := s.next(t); e.Name != want.name || !strings.Contains(string(e.Data), want.member) {
			t.Errorf("%q: %s %s", query, e.Name, e.Data)
		}
	}
}

// The provider's headers are for holders of the tenant's keys only, on no other transport, and are missing if a field
// of the payload is hidden.
func TestTheOriginalFormIsForKeysAndKeepsNoSignatureBesideAHiddenField(t *testing.T) {
	w := newWorld(t)
	tenant, key := w.tenant(t)
	w.append(t, tenant, "a", func(e *tenants.Event) {
		e.ContentType, e.Source, e.Hops = "application/json", "src_1", 1
		e.Provenance = &tenants.Provenance{Scheme: "github", Verified: true,
			Headers: map[string]string{"X-Hub-Signature-256": "sha256=ab"}, Decoded: true}
	}, "{ \"email\":1 }\r\n")
	raw := w.token(t, tenant, token.Spec{Subject: "alice", Channels: []string{"a"}, TTL: time.Hour})
	for target, want := range map[string]string{
		"/v1/stream?channel=a&format=original&token=" + raw: "format_needs_key",
		"/v1/stream?channel=a&format=other":                 "invalid_format",
		"/v1/poll?channel=a&format=original":                "invalid_format",
		"/v1/ws?channel=a&format=original":                  "",
	} {
		lines := []string{auth(key)}
		if strings.Contains(target, "token=") {
			lines = nil
		}
		head := w.open(t, target, lines...).head
		if body, _ := io.ReadAll(head.Body); head.StatusCode < 400 || !strings.Contains(string(body), want) {
			t.Errorf("%s: %d %s", target, head.StatusCode, body)
		}
	}
	if head := w.open(t, "/v1/stream?channel=a&format=original", auth(key),
		"Accept: application/x-ndjson").head; head.StatusCode != 400 {
		t.Errorf("as lines: %d", head.StatusCode)
	}
	_, viewer, err := w.keys.Create(t.Context(), tenant, account.KeySpec{Name: "v", Role: tenants.RoleViewer})
	if err != nil {
		t.Fatal(err)
	}
	first := func() string {
		s := w.open(t, "/v1/stream?channel=a&after=0&format=original", auth(viewer))
		s.next(t)
		return string(s.next(t).Data)
	}
	const whole = `"content_type":"application/json","headers":{"X-Hub-Signature-256":"sha256=ab"},` +
		`"decoded":true,"hops":1,"data_base64":"eyAiZW1haWwiOjEgfQ0K"}`
	if got := first(); !strings.HasSuffix(got, whole) ||
		!strings.Contains(got, `"channel":"a","type":"note","source":"src_1","time":`) {
		t.Errorf("%s", got)
	}
	w.setPolicy(t, tenant, hides("viewer", "email", ""))
	const pruned = `"content_type":"application/json","decoded":true,"hops":1,"data_base64":"e30="}`
	if got := first(); !strings.HasSuffix(got, pruned) {
		t.Errorf("%s", got)
	}
}

func TestRefusalsOfAStream(t *testing.T) {
	w := newWorld(t)
	tenant, key := w.tenant(t)
	_, foreign := w.tenant(t)
	operator := account.NewOperatorKey()
	if err := w.keys.EnsureOperator(t.Context(), operator); err != nil {
		t.Fatal(err)
	}
	suspended, suspendedKey := w.tenant(t)
	if _, err := w.accounts.Suspend(t.Context(), suspended); err != nil {
		t.Fatal(err)
	}
	_, publisher, err := w.keys.Create(t.Context(), tenant, account.KeySpec{Name: "p", Role: tenants.RolePublisher})
	if err != nil {
		t.Fatal(err)
	}
	narrow := w.token(t, tenant, token.Spec{Subject: "alice", Channels: []string{"a", "b.*"}, TTL: time.Hour})
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "&channel=c%d", i)
		}
		return b.String()
	}
	for name, c := range map[string]struct {
		query  string
		lines  []string
		status int
		code   string
	}{
		"no credential": {"channel=a", nil, 401, "credential_missing"},
		"another scheme": {"channel=a", []string{"Authorization: Basic " + key},
			401, "credential_malformed"},
		"an empty credential": {"channel=a", []string{"Authorization: Bearer "}, 401,
			"credential_malformed"},
		"two credentials": {"channel=a", []string{auth(key), auth(foreign)}, 401,
			"credential_malformed"},
		"a tab after the scheme": {"channel=a", []string{"Authorization: Bearer\t" + key},
			401, "credential_malformed"},
		"two spaces, and a bad key": {"channel=a", []string{"Authorization: Bearer  " + key[:len(key)-1] + "~"},
			401, "api_key_malformed"},
		"a token and a key":  {"channel=a&token=" + narrow, []string{auth(key)}, 400, "two_credentials"},
		"a key in the query": {"channel=a&token=" + key, nil, 400, "credential_in_query"},
		"a key under another name": {"channel=a&api_key=" + key, []string{auth(key)}, 400,
			"credential_in_query"},
		"two tokens in the query": {"channel=a&token=" + narrow + "&token=" + narrow, nil,
			400, "duplicate_parameter"},
		"a key with a wrong checksum": {"channel=a", []string{auth(key[:len(key)-1] + "~")},
			401, "api_key_malformed"},
		"a token of nonsense":        {"channel=a&token=x.y.z", nil, 401, "token_malformed"},
		"an operator's key":          {"channel=a", []string{auth(operator)}, 403, "operator_has_no_tenant"},
		"a suspended tenant":         {"channel=a", []string{auth(suspendedKey)}, 403, "tenant_suspended"},
		"a role without the right":   {"channel=a", []string{auth(publisher)}, 403, "channel_forbidden"},
		"a token for other channels": {"channel=c&token=" + narrow, nil, 403, "channel_forbidden"},
		"one of three channels forbidden": {"channel=a&channel=c&channel=b.x&token=" + narrow, nil,
			403, "channel_forbidden"},
		"no channel":               {"", []string{auth(key)}, 400, "channel_missing"},
		"an empty channel":         {"channel=", []string{auth(key)}, 400, "invalid_channel"},
		"a channel in capitals":    {"channel=Orders", []string{auth(key)}, 400, "invalid_channel"},
		"a wildcard":               {"channel=*", []string{auth(key)}, 400, "invalid_channel"},
		"an escaped NUL":           {"channel=a%00b", []string{auth(key)}, 400, "invalid_channel"},
		"51 channels":              {many(51)[1:], []string{auth(key)}, 400, "too_many_channels"},
		"1,000 channels":           {many(1000)[1:], []string{auth(key)}, 400, "too_many_channels"},
		"a channel twice":          {"channel=a&channel=a", []string{auth(key)}, 400, "duplicate_channel"},
		"types unknown":            {"channel=a&types=maybe", []string{auth(key)}, 400, "invalid_types"},
		"format unknown":           {"channel=a&format=xml", []string{auth(key)}, 400, "invalid_format"},
		"a query that is none":     {"channel=a&x=%zz", []string{auth(key)}, 400, "invalid_query"},
		"a semicolon in the query": {"channel=a;channel=b", []string{auth(key)}, 400, "invalid_query"},
		"Last-Event-ID twice": {"channel=a", []string{auth(key), "Last-Event-ID: 1", "Last-Event-ID: 2"},
			400, "duplicate_header"},
	} {
		t.Run(fmt.Sprintf("%s is %d %s", name, c.status, c.code), func(t *testing.T) {
			plain := w.open(t, "/v1/stream?"+c.query, append([]string{"Accept: */*"}, c.lines...)...)
			var p struct{ Code string }
			if err := json.NewDecoder(plain.head.Body).Decode(&p); err != nil {
				t.Fatal(err)
			}
			if plain.head.StatusCode != c.status || p.Code != c.code ||
				plain.head.Header.Get("Content-Type") != "application/problem+json" ||
				(plain.head.Header.Get("WWW-Authenticate") != "") != (c.status == 401) {
				t.Errorf("%d %+v %v", plain.head.StatusCode, p, plain.head.Header)
			}
			// A native EventSource gets the refusal in the stream, and is told to stop.
			s := w.open(t, "/v1/stream?"+c.query, append([]string{"Accept: text/html;q=0.3, text/event-stream"},
				c.lines...)...)
			if s.head.StatusCode != 200 || s.head.Header.Get("Content-Type") != "text/event-stream; charset=utf-8" ||
				!s.head.Close {
				t.Fatalf("EventSource: %v", s.head)
			}
			e := s.next(t)
			var told struct{ Code, Detail string }
			if e.Name != sse.Denied || e.ID != hub.Stop || json.Unmarshal(e.Data, &told) != nil ||
				told.Code != c.code || told.Detail == "" {
				t.Errorf("EventSource: %s %s id %s", e.Name, e.Data, e.ID)
			}
			s.ended(t)
			if name == "Last-Event-ID twice" {
				return
			}
			if stop := w.open(t, "/v1/stream?"+c.query,
				append([]string{eventSource, "Last-Event-ID: !stop"}, c.lines...)...); stop.head.StatusCode != 204 {
				t.Errorf("a client that was told to stop gets %d", stop.head.StatusCode)
			}
		})
	}
	if u := w.o.Admission.Usage(tenant); u != (quota.Usage{}) {
		t.Errorf("refused requests hold slots: %+v", u)
	}
	for _, secret := range []string{key, narrow, suspendedKey} {
		if strings.Contains(w.log.String(), secret[len(secret)-20:]) {
			t.Error("a credential is in the log")
		}
	}
}

func TestAnExpiredTokenIsToldSo(t *testing.T) {
	w := newWorld(t)
	tenant, _ := w.tenant(t)
	var raw string
	var live *stream
	// whole seconds count: the first may be over before its stream is open
	for ttl := time.Second; live == nil; ttl *= 2 {
		raw = w.token(t, tenant, token.Spec{Subject: "alice", Channels: []string{"a"}, TTL: ttl})
		s := w.open(t, "/v1/stream?channel=a&token="+raw, eventSource)
		switch e := s.next(t); e.Name {
		case sse.Open:
			live = s
		case sse.Expired:
		default:
			t.Fatal(e)
		}
	}
	e := live.next(t)
	if e.Name == sse.Expiring { // if the hub's clock has reached it
		e = live.next(t)
	}
	if e.Name != sse.Expired || e.ID != hub.Stop {
		t.Fatalf("an open stream: %v", e)
	}
	live.ended(t)
	s := w.open(t, "/v1/stream?channel=a&token="+raw, eventSource)
	if e := s.next(t); e.Name != sse.Expired || e.ID != hub.Stop {
		t.Errorf("%s %s id %s", e.Name, e.Data, e.ID)
	}
	if s := w.open(t, "/v1/stream?channel=a&token="+raw); s.head.StatusCode != 401 {
		t.Errorf("%d", s.head.StatusCode)
	}
}

func TestOverTheLimitAnEventSourceIsAskedBackAndOthersGet429(t *testing.T) {
	bothSinks(t, func(t *testing.T, sink func(*hub.Options)) {
		w := newWorldOn(t, sink)
		tenant, key := w.tenant(t)
		one := int64(1)
		if _, err := w.accounts.UpdateAsOperator(t.Context(),
			tenant, account.OperatorPatch{Limits: map[string]*int64{"connections": &one}}); err != nil {
			t.Fatal(err)
		}
		first := w.open(t, "/v1/stream?channel=a", auth(key))
		first.next(t)
		s := w.open(t, "/v1/stream?channel=a", auth(key), eventSource)
		e := s.next(t)
		if e.Name != sse.Quota || e.ID != "" || s.Retry() < retryQuotaMin || s.Retry() > retryQuotaMax ||
			!strings.Contains(string(e.Data), `"code":"connection_limit"`) {
			t.Errorf("%s %s id %q retry %v", e.Name, e.Data, e.ID, s.Retry())
		}
		s.ended(t)
		for _, target := range []string{"/v1/stream?channel=a", "/v1/poll?channel=a"} {
			r := w.open(t, target, auth(key))
			if r.head.StatusCode != 429 || r.head.Header.Get("Retry-After") == "" {
				t.Errorf("%s: %v", target, r.head)
			}
		}
		first.Close()
		eventually(t, "the place of a client that left is free", func() bool {
			s := w.open(t, "/v1/stream?channel=a", auth(key), eventSource)
			defer s.Close()
			return s.next(t).Name == sse.Open
		})
	})
}

func TestACursorOfNoUseIsAGapWithResetToAnEventSourceAnd400ToOthers(t *testing.T) {
	bothSinks(t, func(t *testing.T, sink func(*hub.Options)) {
		w := newWorldOn(t, sink)
		tenant, key := w.tenant(t)
		w.publish(t, tenant, "a", "1", "2")
		two := string(tenants.AppendCursor(nil, tenants.CursorSeed([]string{"a", "b"}), []int64{1, 0}))
		for name, cursor := range map[string]string{
			"of other channels": two, "negative": "-1", "no number": "abc", "empty part": ".",
			"long": strings.Repeat("1", 2000), "huge": "99999999999999999999",
			"another stop": "!STOP", "with sign": "+1", "with zeros": "007",
		} {
			t.Run(name, func(t *testing.T) {
				for _, how := range []string{"header", "query"} {
					target, line := "/v1/stream?channel=a", "Last-Event-ID: "+cursor
					if how == "query" {
						target, line = target+"&after="+url.QueryEscape(cursor), "X: y"
					}
					if s := w.open(t, target, auth(key), line); s.head.StatusCode != 400 {
						t.Errorf("%s: %d", how, s.head.StatusCode)
					}
					wantReset(t, w.open(t, target, auth(key), line, eventSource))
				}
				if s := w.open(t, "/v1/poll?channel=a&wait=0&after="+url.QueryEscape(cursor),
					auth(key)); s.head.StatusCode != 400 {
					t.Errorf("poll: %d", s.head.StatusCode)
				}
			})
		}
		// A cursor beyond the tail is reported in the stream: the table may have been restored.
		for _, cursor := range []string{"3", "9223372036854775807"} {
			wantReset(t, w.open(t, "/v1/stream?channel=a&after="+cursor, auth(key)))
		}
	})
}

func wantReset(t *testing.T, s *stream) {
	t.Helper()
	if s.head.StatusCode != 200 {
		t.Fatal(s.head)
	}
	for e := s.next(t); ; e = s.next(t) {
		if e.Name == sse.Gap && string(e.Data) == `{"channel":"a","reset":true}` {
			return
		} else if e.Name != sse.Open {
			t.Fatalf("got %s %s, want a gap with reset", e.Name, e.Data)
		}
	}
}

// TestSpacesAfterTheSchemeAreOneSeparator checks that credentials are a scheme, one or more spaces, and the rest (RFC
// 9110 section 11.4).
func TestSpacesAfterTheSchemeAreOneSeparator(t *testing.T) {
	w := newWorld(t)
	_, key := w.tenant(t)
	for _, line := range []string{"Authorization: Bearer  " + key, "Authorization: bearer   " + key} {
		w.open(t, "/v1/stream?channel=a", line)
	}
}
