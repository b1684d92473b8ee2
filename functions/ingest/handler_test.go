package ingest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/functions/ingest"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/signing"
	"github.com/hookcast/hookcast/tenants/source"
)

// recorder is a receiver that records its webhooks and returns a fixed result.
type recorder struct {
	got      []intake.Inbound
	accepted intake.Accepted
	err      error
}

func (r *recorder) Receive(_ context.Context, in intake.Inbound) (intake.Accepted, error) {
	r.got = append(r.got, in)
	return r.accepted, r.err
}

const bound = 1024

func handler(r ingest.Receiver, log io.Writer) http.Handler {
	return ingest.Handler(ingest.Options{
		Receiver: r, Logger: slog.New(slog.NewTextHandler(log, nil)), PublicURL: "https://hooks.example.com/",
		MaxBody: bound,
	})
}

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func codeOf(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var p struct {
		Code      string
		RequestID string `json:"request_id"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("response %d %s is not a problem: %v", w.Code, w.Body, err)
	}
	if p.RequestID == "" || p.RequestID != w.Header().Get("Request-Id") ||
		w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("response has header %v and body %s, want a problem with the same request id", w.Header(), w.Body)
	}
	return p.Code
}

func TestAWebhookReachesTheReceiverAsItWasSent(t *testing.T) {
	rec := &recorder{accepted: intake.Accepted{ID: "evt_1", Channel: "a"}}
	r := httptest.NewRequest("POST", "http://spoofed.example/in/Tok_en-1?a=%20b&a=c", strings.NewReader("\xff{}\r\n"))
	r.Header = http.Header{"X-Signature": {"one", "two"}, "X-Forwarded-Host": {"spoofed.example"}}
	w := serve(handler(rec, io.Discard), r)
	if w.Code != 202 || w.Body.String() != `{"id":"evt_1","channel":"a"}` {
		t.Errorf("response %d %s, want 202 with the event", w.Code, w.Body)
	}
	in := rec.got[0]
	if in.Token != "Tok_en-1" || in.Method != "POST" || string(in.Body) != "\xff{}\r\n" || in.Received.IsZero() {
		t.Errorf("the receiver got %+v, want token Tok_en-1 and the body as it was sent", in)
	}
	if in.URL != "https://hooks.example.com/in/Tok_en-1?a=%20b&a=c" {
		t.Errorf("the receiver got URL %s, want the public one", in.URL)
	}
	if !reflect.DeepEqual(in.Header["X-Signature"], []string{"one", "two"}) {
		t.Errorf("the receiver got header %v, want both values of X-Signature", in.Header)
	}
}

func TestADuplicateIs200(t *testing.T) {
	w := serve(handler(&recorder{accepted: intake.Accepted{ID: "evt_1", Channel: "a", Duplicate: true}}, io.Discard),
		httptest.NewRequest("POST", "/in/x", nil))
	if w.Code != 200 || w.Body.String() != `{"id":"evt_1","channel":"a","duplicate":true}` {
		t.Errorf("response %d %s, want 200 with a duplicate", w.Code, w.Body)
	}
}

func TestAHandshakeIsAnsweredAsItIs(t *testing.T) {
	reply := &signing.Reply{Status: 200, ContentType: "text/plain; charset=utf-8", Body: []byte("<script>")}
	w := serve(handler(&recorder{accepted: intake.Accepted{Reply: reply}}, io.Discard),
		httptest.NewRequest("POST", "/in/x", nil))
	h := w.Header()
	if w.Code != 200 || w.Body.String() != "<script>" || h.Get("Content-Type") != reply.ContentType ||
		h.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("response %d %v %s, want 200 with the reply as plain text", w.Code, h, w.Body)
	}
}

func TestAPathIsOneTokenAsItWasSentOrItIs404(t *testing.T) {
	rec := &recorder{}
	for _, path := range []string{
		"/in/", "/in", "/in/x/", "/in/x/y", "/in/x/../y", "/in/%2e%2e/y", "/in/%78", "/in/x%2f", "/in//x", "//in/x",
		"/IN/x", "/in/x%00", "/in/x.", "/in/x;y", "/in/x%20",
		"/in/ä", "/in/" + strings.Repeat("x", 129), "/",
	} {
		r := httptest.NewRequest("POST", "/", nil)
		u, err := r.URL.Parse("http://h" + path)
		if err != nil {
			t.Fatal(err)
		}
		u.Host, u.Scheme = "", ""
		r.URL = u
		if strings.Contains(path, "..") { // Parse resolves it, but a server does not
			r.URL.Path, r.URL.RawPath = path, ""
		}
		if w := serve(handler(rec, io.Discard), r); w.Code != 404 || codeOf(t, w) != "not_found" {
			t.Errorf("%s: response %d %s, want 404 not_found", path, w.Code, w.Body)
		}
	}
	if len(rec.got) > 0 {
		t.Errorf("the receiver got %d webhooks, want none", len(rec.got))
	}
}

func TestWhatTheSourceDoesNotTakeIs405WithAllow(t *testing.T) {
	rec := &recorder{err: &tenants.Error{Kind: tenants.MethodNotAllowed},
		accepted: intake.Accepted{Allow: []string{"POST", "GET"}}}
	unread := &endless{}
	for n, method := range []string{"PUT", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"} {
		w := serve(handler(rec, io.Discard), httptest.NewRequest(method, "/in/x", unread))
		if w.Code != 405 || method != "HEAD" && codeOf(t, w) != "method_not_allowed" ||
			w.Header().Get("Allow") != "POST, GET" {
			t.Errorf("%s: response %d %s with Allow %q, want 405 with POST, GET", method, w.Code,
				w.Body, w.Header().Get("Allow"))
		}
		if len(rec.got) != n+1 || rec.got[n].Method != method || len(rec.got[n].Body) > 0 {
			t.Errorf("%s: the receiver got %+v, want %d webhooks, the last without a body", method, rec.got, n+1)
		}
	}
	if unread.read > 0 {
		t.Errorf("%d bytes of bodies were read, want 0", unread.read)
	}
}

func TestAHandshakeWithoutABodyIsAnsweredWithoutOne(t *testing.T) {
	for _, status := range []int{200, 204} {
		w := serve(handler(&recorder{accepted: intake.Accepted{Reply: &signing.Reply{Status: status}}}, io.Discard),
			httptest.NewRequest("HEAD", "/in/x", nil))
		if w.Code != status || w.Body.Len() > 0 || w.Header().Get("Content-Type") != "" {
			t.Errorf("response %d %v %s, want %d without a body", w.Code, w.Header(), w.Body, status)
		}
	}
}

// endless is an endless body that counts the bytes read.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	return len(p), nil
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestBodies(t *testing.T) {
	announced, chunked := &endless{}, &endless{}
	for name, c := range map[string]struct {
		body   io.Reader
		length int64
		status int
		code   string
	}{
		"at the bound is 202": {strings.NewReader(strings.Repeat("x", bound)), bound, 202, ""},
		"empty is 202":        {http.NoBody, 0, 202, ""},
		"one byte over is 413": {strings.NewReader(strings.Repeat("x", bound+1)), bound + 1,
			413, "body_too_large"},
		"announced over is 413 unread": {announced, bound + 1, 413, "body_too_large"},
		"chunked without end is 413":   {chunked, -1, 413, "body_too_large"},
		"broken off is 400":            {failing{io.ErrUnexpectedEOF}, 10, 400, "body_incomplete"},
		"too slow is 408": {failing{fmt.Errorf("read: %w", os.ErrDeadlineExceeded)},
			10, 408, "body_timeout"},
		"the transport's error is 408": {failing{tenants.Errorf(tenants.Timeout, "request_timeout", "slow")},
			10, 408, "request_timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			rec := &recorder{accepted: intake.Accepted{ID: "evt_1", Channel: "a"}}
			r := httptest.NewRequest("POST", "/in/x", nil)
			r.Body, r.ContentLength = io.NopCloser(c.body), c.length
			w := serve(handler(rec, io.Discard), r)
			if w.Code != c.status || c.code != "" && codeOf(t, w) != c.code {
				t.Errorf("response %d %s, want %d %s", w.Code, w.Body, c.status, c.code)
			}
			if (w.Code == 202) != (len(rec.got) == 1) {
				t.Errorf("the receiver got %d webhooks with status %d", len(rec.got), w.Code)
			}
		})
	}
	if announced.read > 0 || chunked.read > 4*bound {
		t.Errorf("%d bytes of the announced and %d of the chunked body were read, want 0 and at most %d",
			announced.read, chunked.read, 4*bound)
	}
}

func TestAContentEncodingIs415(t *testing.T) {
	for _, encodings := range [][]string{{"br"}, {"zstd"}, {"gzip, gzip"}, {"gzip", "gzip"}, {"gzip, br"}, {"x"}} {
		rec := &recorder{}
		body := &endless{}
		r := httptest.NewRequest("POST", "/in/x", body)
		r.Header["Content-Encoding"] = encodings
		if w := serve(handler(rec, io.Discard), r); w.Code != 415 || codeOf(t, w) != "content_encoding" ||
			len(rec.got) > 0 || body.read > 0 {
			t.Errorf("%v: response %d %s after %d bytes, want 415 without reading", encodings, w.Code, w.Body,
				body.read)
		}
	}
}

// A gzip body is not decoded here, because the signature covers the bytes as they were sent.
func TestAnEncodedBodyReachesTheReceiverAsItWasSent(t *testing.T) {
	for _, encoding := range []string{"Identity", "gzip", "x-gzip"} {
		rec := &recorder{accepted: intake.Accepted{ID: "evt_1"}}
		r := httptest.NewRequest("POST", "/in/x", strings.NewReader("\x1f\x8b"))
		r.Header.Set("Content-Encoding", encoding)
		if w := serve(handler(rec, io.Discard), r); w.Code != 202 || string(rec.got[0].Body) != "\x1f\x8b" {
			t.Errorf("%s: response %d %s, want 202 with the body unchanged", encoding, w.Code, w.Body)
		}
	}
}

func TestASourcesOwnAnswer(t *testing.T) {
	for _, duplicate := range []bool{false, true} {
		for want, response := range map[string]source.Response{
			"200 application/json {\"ok\":true}": {Status: 200, Body: `{"ok":true}`, Type: "json"},
			"201 text/plain; charset=utf-8 ok\n": {Status: 201, Body: "ok\n", Type: "text"},
			"202 application/xml <Response/>":    {Status: 202, Body: "<Response/>", Type: "xml"},
			"200 text/plain; charset=utf-8 ":     {Status: 200},
			"204  ":                              {Status: 204},
		} {
			rec := &recorder{accepted: intake.Accepted{ID: "evt_1", Channel: "a", Duplicate: duplicate,
				Response: &response}}
			w := serve(handler(rec, io.Discard), httptest.NewRequest("POST", "/in/x", nil))
			h := w.Header()
			if got := fmt.Sprint(w.Code, " ", h.Get("Content-Type"), " ", w.Body); got != want {
				t.Errorf("response %q, want %q", got, want)
			}
			if h.Get("X-Content-Type-Options") != "nosniff" ||
				w.Code != 204 && h.Get("Content-Security-Policy") != "default-src 'none'; sandbox" {
				t.Errorf("response %q has header %v, want nosniff and a sandbox", want, h)
			}
		}
	}
}

// The log line of a refused webhook names the tenant if it is known.
func TestWhoseItIsIsObservedOfARefusalToo(t *testing.T) {
	for _, c := range []struct {
		accepted intake.Accepted
		err      error
		want     string
	}{
		{intake.Accepted{ID: "evt_1", Tenant: "ten_1"}, nil, "ten_1"},
		{intake.Accepted{Tenant: "ten_1"}, &tenants.Error{Kind: tenants.Unauthenticated}, "ten_1"},
		{intake.Accepted{}, &tenants.Error{Kind: tenants.NotFound}, ""},
	} {
		heard := ""
		h := ingest.Handler(ingest.Options{
			Receiver: &recorder{accepted: c.accepted, err: c.err}, Logger: slog.New(slog.DiscardHandler),
			MaxBody: bound,
			Observe: func(_ context.Context, t tenants.TenantID) { heard += string(t) },
		})
		serve(h, httptest.NewRequest("POST", "/in/x", nil))
		if heard != c.want {
			t.Errorf("with error %v Observe got %q, want %q", c.err, heard, c.want)
		}
	}
}

func TestTheReceiversErrorsAreAnsweredByTheirKind(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		code   string
		header string
		logged bool
	}{
		{tenants.Errorf(tenants.Unauthenticated, "signature_missing", "there is no X header"), 401, "signature_missing",
			"Www-Authenticate", false},
		{tenants.Errorf(tenants.NotFound, "source_not_found", "there is no such source"), 404, "source_not_found",
			"", false},
		{tenants.Errorf(tenants.TooMany, "event_rate", "too many"), 429, "event_rate", "Retry-After", false},
		{tenants.Errorf(tenants.Unavailable, "queue_unavailable", "%w", errors.New("disk full")),
			503, "queue_unavailable", "Retry-After", true},
		{errors.New("disk full"), 500, "internal", "", true},
	} {
		var log bytes.Buffer
		w := serve(handler(&recorder{err: c.err}, &log), httptest.NewRequest("POST", "/in/the-token", nil))
		if w.Code != c.status || codeOf(t, w) != c.code || c.header != "" && w.Header().Get(c.header) == "" {
			t.Errorf("%v: response %d %v %s, want %d %s with header %q", c.err, w.Code, w.Header(), w.Body, c.status,
				c.code, c.header)
		}
		if (log.Len() > 0) != c.logged || strings.Contains(log.String()+w.Body.String(), "the-token") ||
			strings.Contains(w.Body.String(), "disk full") {
			t.Errorf("%v: logged %q and responded %s, want a log line: %v, and no secrets", c.err, log.String(), w.Body,
				c.logged)
		}
	}
}
