package problem_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/problem"
)

func TestEveryKindHasItsStatus(t *testing.T) {
	for _, c := range []struct {
		kind   tenants.ErrorKind
		status int
		code   string
	}{
		{tenants.Internal, 500, "internal"},
		{tenants.Invalid, 400, "bad_request"},
		{tenants.Unauthenticated, 401, "unauthenticated"},
		{tenants.Forbidden, 403, "forbidden"},
		{tenants.NotFound, 404, "not_found"},
		{tenants.MethodNotAllowed, 405, "method_not_allowed"},
		{tenants.Timeout, 408, "request_timeout"},
		{tenants.Conflict, 409, "conflict"},
		{tenants.PreconditionFailed, 412, "precondition_failed"},
		{tenants.PreconditionRequired, 428, "precondition_required"},
		{tenants.TooLarge, 413, "too_large"},
		{tenants.UnsupportedMediaType, 415, "unsupported_media_type"},
		{tenants.Unprocessable, 422, "unprocessable"},
		{tenants.TooMany, 429, "too_many_requests"},
		{tenants.Unavailable, 503, "unavailable"},
		{tenants.HeadersTooLarge, 431, "headers_too_large"},
		{tenants.UpgradeRequired, 426, "upgrade_required"},
		{tenants.ErrorKind(99), 500, "internal"},
	} {
		status, header, b := problem.Body(&tenants.Error{Kind: c.kind}, "req_1")
		var got map[string]any
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("kind %d: %v", c.kind, err)
		}
		if status != c.status || got["status"] != float64(c.status) || got["code"] != c.code ||
			got["title"] != http.StatusText(c.status) {
			t.Errorf("kind %d: got status %d, body %s; want %d %s", c.kind, status, b, c.status, c.code)
		}
		if got["type"] != "about:blank" || got["request_id"] != "req_1" || got["detail"] == "" {
			t.Errorf("kind %d: body %s; want type about:blank, request_id req_1 and a detail", c.kind, b)
		}
		if (header["WWW-Authenticate"] != "") != (status == 401) {
			t.Errorf("kind %d: WWW-Authenticate %q; want it on a 401 alone", c.kind, header["WWW-Authenticate"])
		}
		if (header["Retry-After"] != "") != (status == 429 || status == 503) {
			t.Errorf("kind %d: Retry-After %q; want it on 429 and 503 alone", c.kind, header["Retry-After"])
		}
		if problem.Status(c.kind) != c.status {
			t.Errorf("kind %d: Status returns %d, want %d", c.kind, problem.Status(c.kind), c.status)
		}
	}
}

func TestCodeDetailAndFieldsAreShown(t *testing.T) {
	err := fmt.Errorf("route: %w", &tenants.Error{
		Kind: tenants.Unprocessable, Code: "invalid_name", Detail: "a <name> is refused",
		Fields: []tenants.FieldError{{Pointer: "/name", Detail: "is empty"}}, Err: errors.New("sdb7 is gone"),
	})
	_, _, b := problem.Body(err, "req_1")
	want := `{"type":"about:blank","title":"Unprocessable Entity","status":422,"detail":"a <name> is refused",` +
		`"code":"invalid_name","request_id":"req_1",` +
		`"errors":[{"pointer":"/name","detail":"is empty"}]}`
	if string(b) != want {
		t.Errorf("body\n%s\nwant\n%s", b, want)
	}
}

func TestACauseIsLoggedAndNeverShown(t *testing.T) {
	for _, c := range []struct {
		err   error
		level string
	}{
		{errors.New("sdb7 is gone"), "ERROR"},
		{nil, "ERROR"},
		{(*tenants.Error)(nil), "ERROR"},
		{tenants.Errorf(tenants.Internal, "unsealable", "%w", errors.New("sdb7 is gone")), "ERROR"},
		{&tenants.Error{Kind: tenants.Internal, Code: "unsealable", Detail: "sdb7 is gone"}, "ERROR"},
		{tenants.Errorf(tenants.Unavailable, "table_unavailable", "%w", errors.New("sdb7 is gone")), "WARN"},
		{tenants.Errorf(tenants.NotFound, "row_not_found", "%w", errors.New("sdb7 is gone")), ""},
	} {
		_, _, b := problem.Body(c.err, "req_1")
		for _, private := range []string{"sdb7 is gone", "unsealable", "row_not_found"} {
			if strings.Contains(string(b), private) {
				t.Errorf("%v: the body shows %q: %s", c.err, private, b)
			}
		}
		if c.err == nil || c.err == (*tenants.Error)(nil) {
			continue
		}
		var log bytes.Buffer
		problem.Log(slog.New(slog.NewTextHandler(&log, nil)), "req_1", c.err)
		if c.level == "" {
			if log.Len() > 0 {
				t.Errorf("%v: logged %s, want nothing", c.err, log.String())
			}
			continue
		}
		for _, want := range []string{"level=" + c.level, "request_id=req_1", "sdb7 is gone"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("%v: the log is %s, want %q in it", c.err, log.String(), want)
			}
		}
	}
}

func TestRetryAfterIsRoundedUpToWholeSeconds(t *testing.T) {
	for _, c := range []struct {
		kind   tenants.ErrorKind
		advice time.Duration
		want   string
	}{
		{tenants.TooMany, 1500 * time.Millisecond, "2"},
		{tenants.TooMany, 30 * time.Second, "30"},
		{tenants.Unavailable, 0, "1"},
		{tenants.Unavailable, -time.Second, "1"},
		{tenants.NotFound, time.Minute, ""},
	} {
		_, header, _ := problem.Body(&tenants.Error{Kind: c.kind, RetryAfter: c.advice}, "")
		if header["Retry-After"] != c.want {
			t.Errorf("%v of kind %d: Retry-After %q, want %q", c.advice, c.kind, header["Retry-After"], c.want)
		}
	}
}

func TestWriteKeepsTheCallersHeadersAndSendsNoBodyToHead(t *testing.T) {
	for _, method := range []string{"GET", "HEAD"} {
		w := httptest.NewRecorder()
		w.Header().Set("WWW-Authenticate", "Own")
		w.Header().Set("Content-Type", "application/json")
		problem.Write(w, httptest.NewRequest(method, "/", nil), "req_1", &tenants.Error{Kind: tenants.Unauthenticated})
		if w.Code != 401 || w.Header().Get("WWW-Authenticate") != "Own" ||
			w.Header().Get("Content-Type") != problem.ContentType {
			t.Errorf("%s: status %d, headers %v; want 401, WWW-Authenticate Own and a problem", method, w.Code,
				w.Header())
		}
		if (w.Body.Len() == 0) != (method == "HEAD") || w.Header().Get("Content-Length") == "0" {
			t.Errorf("%s: %d bytes of body, Content-Length %s; want no body for HEAD alone, and the length for both",
				method, w.Body.Len(), w.Header().Get("Content-Length"))
		}
	}
}
