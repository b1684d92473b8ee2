package gateway_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/hookcast/hookcast/functions/internal/gateway"
	"github.com/hookcast/hookcast/functions/internal/note"
	"github.com/hookcast/hookcast/infra/awsenv"
	"github.com/hookcast/hookcast/tenants"
)

const maxBody = 1024

// event returns an event of the gateway, modified by change.
func event(change func(*events.APIGatewayV2HTTPRequest)) []byte {
	e := events.APIGatewayV2HTTPRequest{Version: "2.0", RawPath: "/in/token",
		Headers: map[string]string{"host": "api.example.com"}}
	e.RequestContext.HTTP.Method, e.RequestContext.HTTP.SourceIP, e.RequestContext.RequestID = "POST", "192.0.2.7",
		"gateway-id"
	if change != nil {
		change(&e)
	}
	b, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return b
}

func invoke(t testing.TB, h http.HandlerFunc, log io.Writer, payload []byte) events.APIGatewayV2HTTPResponse {
	t.Helper()
	answer, err := gateway.New(gateway.Options{Handler: h, Logger: slog.New(slog.NewJSONHandler(log, nil)),
		MaxBody: maxBody}).Invoke(context.Background(), payload)
	if err != nil {
		t.Fatal(err)
	}
	if len(answer) > gateway.MaxPayload {
		t.Errorf("the response has %d bytes, want at most %d", len(answer), gateway.MaxPayload)
	}
	var out events.APIGatewayV2HTTPResponse
	if err := json.Unmarshal(answer, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// codeOf returns the code of a problem.
func codeOf(t testing.TB, out events.APIGatewayV2HTTPResponse) string {
	t.Helper()
	var p struct {
		Code      string
		RequestID string `json:"request_id"`
	}
	if err := json.Unmarshal([]byte(out.Body), &p); err != nil || p.RequestID == "" ||
		p.RequestID != out.Headers["Request-Id"] {
		t.Errorf("response %d %v %s is not a problem", out.StatusCode, out.Headers, out.Body)
	}
	return p.Code
}

func TestARequestIsWhatTheEventSays(t *testing.T) {
	payload := event(func(e *events.APIGatewayV2HTTPRequest) {
		e.RawPath, e.RawQueryString = "/in/a%2Fb", "x=%20y&x=z;"
		e.Headers["x-hub-signature-256"] = "sha256=a,sha256=b"
		e.Headers["content-length"] = "7"
		e.Cookies = []string{"a=1", "b=2"}
		e.Body = `{"ä":1}`
		e.Headers["content-length"] = fmt.Sprint(len(e.Body))
	})
	var got *http.Request
	var body []byte
	invoke(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
	}, io.Discard, payload)
	if got.Method != "POST" || got.URL.EscapedPath() != "/in/a%2Fb" || got.URL.RawQuery != "x=%20y&x=z;" ||
		got.Host != "api.example.com" || got.RemoteAddr != "192.0.2.7:0" {
		t.Errorf("request is %s %s?%s of %s from %s", got.Method, got.URL.EscapedPath(), got.URL.RawQuery, got.Host,
			got.RemoteAddr)
	}
	if string(body) != `{"ä":1}` || got.ContentLength != int64(len(body)) {
		t.Errorf("body is %q with length %d", body, got.ContentLength)
	}
	// Values that the gateway has joined stay one value, so a verifier cannot choose one of two signatures.
	if h := got.Header["X-Hub-Signature-256"]; len(h) != 1 || h[0] != "sha256=a,sha256=b" {
		t.Errorf("signature header is %q, want one joined value", h)
	}
	if c, err := got.Cookie("b"); err != nil || c.Value != "2" {
		t.Errorf("cookie b is %v, %v, want 2", c, err)
	}
}

func TestPathsAreKeptAsTheyWere(t *testing.T) {
	for _, path := range []string{"/", "/in/x", "/in//x", "/in/x/", "/in/%78", "/in/../y", "/in/%2e%2e", "/v1/a b",
		"/in/ä"} {
		var got string
		invoke(t, func(_ http.ResponseWriter, r *http.Request) { got = r.URL.EscapedPath() }, io.Discard,
			event(func(e *events.APIGatewayV2HTTPRequest) { e.RawPath = path }))
		want := strings.NewReplacer(" ", "%20", "ä", "%C3%A4").Replace(path)
		if got != want {
			t.Errorf("path %s arrived as %s, want %s", path, got, want)
		}
	}
	var got string
	invoke(t, func(_ http.ResponseWriter, r *http.Request) { got = r.URL.Path }, io.Discard,
		event(func(e *events.APIGatewayV2HTTPRequest) { e.RawPath = "/in/%zz" }))
	if got != "/in/%zz" {
		t.Errorf("path /in/%%zz arrived as %s, want it unchanged", got)
	}
}

func TestBodies(t *testing.T) {
	coded := func(b string) func(*events.APIGatewayV2HTTPRequest) {
		return func(e *events.APIGatewayV2HTTPRequest) {
			e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString([]byte(b)), true
		}
	}
	text := func(b string, length string) func(*events.APIGatewayV2HTTPRequest) {
		return func(e *events.APIGatewayV2HTTPRequest) {
			e.Body = b
			if length != "" {
				e.Headers["content-length"] = length
			}
		}
	}
	for name, c := range map[string]struct {
		change func(*events.APIGatewayV2HTTPRequest)
		body   string
		status int
		code   string
	}{
		"text":                      {text("{}", "2"), "{}", 200, ""},
		"text without a length":     {text("{}", ""), "{}", 200, ""},
		"a U+FFFD that was sent":    {text("\ufffd", "3"), "\ufffd", 200, ""},
		"a byte that became U+FFFD": {text("\ufffd", "1"), "", 400, "body_not_utf8"},
		"bytes":                     {coded("\xff\x00"), "\xff\x00", 200, ""},
		"bytes at the bound":        {coded(strings.Repeat("x", maxBody)), strings.Repeat("x", maxBody), 200, ""},
		"bytes one over the bound":  {coded(strings.Repeat("x", maxBody+1)), "", 413, "body_too_large"},
		"many bytes":                {coded(strings.Repeat("x", 100*maxBody)), "", 413, "body_too_large"},
		"text at the bound":         {text(strings.Repeat("x", maxBody), ""), strings.Repeat("x", maxBody), 200, ""},
		"text over the bound":       {text(strings.Repeat("x", maxBody+1), ""), "", 413, "body_too_large"},
		"invalid base64": {func(e *events.APIGatewayV2HTTPRequest) {
			e.Body, e.IsBase64Encoded = "%%%", true
		}, "", 500, "internal"},
		"nothing": {func(*events.APIGatewayV2HTTPRequest) {}, "", 200, ""},
		"bytes that say they're text": {func(e *events.APIGatewayV2HTTPRequest) {
			coded("\xff")(e)
			e.Headers["content-type"] = "text/plain"
		}, "\xff", 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			served := false
			out := invoke(t, func(_ http.ResponseWriter, r *http.Request) {
				served = true
				if b, err := io.ReadAll(r.Body); err != nil || string(b) != c.body {
					t.Errorf("body is %q, %v, want %q", b, err, c.body)
				}
			}, io.Discard, event(c.change))
			if out.StatusCode != c.status || c.code != "" && codeOf(t, out) != c.code || served != (c.status == 200) {
				t.Errorf("response %d %s, served: %v, want %d %s", out.StatusCode, out.Body, served, c.status, c.code)
			}
		})
	}
	// A gateway that does not replace bytes by U+FFFD would send this.
	raw := bytes.Replace(event(func(e *events.APIGatewayV2HTTPRequest) {
		e.Body = "BYTE"
	}), []byte("BYTE"), []byte{0xff}, 1)
	if out := invoke(t, func(http.ResponseWriter, *http.Request) {
		t.Error("served")
	}, io.Discard, raw); out.StatusCode != 400 || codeOf(t, out) != "body_not_utf8" {
		t.Errorf("response %d %s, want 400 body_not_utf8", out.StatusCode, out.Body)
	}
}

func TestWhatIsNoEventIsAnsweredAndQuotesNothing(t *testing.T) {
	for name, payload := range map[string]string{
		"empty": "", "no JSON": "secret-token", "no object": `["secret-token"]`,
		"format 1.0":  `{"version":"1.0","path":"/secret-token"}`,
		"no method":   `{"version":"2.0","rawPath":"/secret-token"}`,
		"no path":     `{"version":"2.0","requestContext":{"http":{"method":"GET"}}}`,
		"wrong types": `{"version":2,"rawPath":"/secret-token"}`,
	} {
		var log bytes.Buffer
		out := invoke(t, func(http.ResponseWriter, *http.Request) { t.Error("served") }, &log, []byte(payload))
		if out.StatusCode != 500 || codeOf(t, out) != "internal" || !strings.Contains(log.String(), "event_malformed") {
			t.Errorf("%s: response %d %s and log %s, want 500 and event_malformed", name, out.StatusCode, out.Body,
				&log)
		}
		if strings.Contains(out.Body+log.String(), "secret-token") {
			t.Errorf("%s: response %s or log %s quotes the event", name, out.Body, &log)
		}
	}
}

func TestAnswers(t *testing.T) {
	out := invoke(t, func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Add("Vary", "Origin")
		h.Add("Vary", "Accept")
		h.Add("Set-Cookie", "a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT")
		h.Add("Set-Cookie", "b=2")
		w.WriteHeader(103)
		w.WriteHeader(202)
		w.WriteHeader(500)
		h.Set("Late", "x")
		fmt.Fprint(w, `{"ä":"<"}`)
	}, io.Discard, event(nil))
	if out.StatusCode != 202 || out.Body != `{"ä":"<"}` || out.IsBase64Encoded ||
		out.Headers["Vary"] != "Origin, Accept" || len(out.Cookies) != 2 || out.Headers["Late"] != "" {
		t.Errorf("response %+v, want 202 with joined headers, two cookies and no late header", out)
	}
	if out.Headers["Request-Id"] == "" {
		t.Error("the response has no Request-Id")
	}
	for name, c := range map[string]struct {
		contentType, body string
		coded             bool
	}{
		"bytes":              {"application/octet-stream", "abc", true},
		"text":               {"text/plain; charset=utf-8", "abc", false},
		"a problem":          {"application/problem+json", `{}`, false},
		"YAML":               {"application/yaml", "a: 1", false},
		"invalid text":       {"text/plain", "\xff", true},
		"no type":            {"", "abc", false},
		"a type that is bad": {";;", "abc", true},
		"empty":              {"image/png", "", false},
	} {
		out := invoke(t, func(w http.ResponseWriter, r *http.Request) {
			if c.contentType != "" {
				w.Header().Set("Content-Type", c.contentType)
			}
			fmt.Fprint(w, c.body)
		}, io.Discard, event(nil))
		body := out.Body
		if out.IsBase64Encoded {
			b, err := base64.StdEncoding.DecodeString(body)
			if err != nil {
				t.Fatal(err)
			}
			body = string(b)
		}
		if body != c.body || c.body != "" && out.IsBase64Encoded != c.coded {
			t.Errorf("%s: response %+v, want body %q with base64: %v", name, out, c.body, c.coded)
		}
	}
	if out := invoke(t, func(http.ResponseWriter, *http.Request) {}, io.Discard, event(nil)); out.StatusCode != 200 ||
		out.Body != "" {
		t.Errorf("response of a handler that writes nothing is %+v, want an empty 200", out)
	}
}

// Lambda limits the JSON of a response, in which a quotation mark has two bytes.
func TestAnswersOverTheLimit(t *testing.T) {
	for name, c := range map[string]struct {
		body   string
		status int
		coded  bool
	}{
		"quotes fit in base64":  {strings.Repeat(`"`, 4<<20), 200, true},
		"markup fits in base64": {strings.Repeat(`<`, 4<<20), 200, true},
		"text fits as it is":    {strings.Repeat(`x`, 5<<20), 200, false},
		"too much":              {strings.Repeat(`x`, 6<<20), 422, false},
		"too much of quotes":    {strings.Repeat(`"`, 5<<20), 422, false},
	} {
		out := invoke(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, c.body)
		}, io.Discard, event(nil))
		if out.StatusCode != c.status || out.IsBase64Encoded != c.coded {
			t.Errorf("%s: status %d, base64: %v, want %d, %v", name, out.StatusCode, out.IsBase64Encoded, c.status,
				c.coded)
		}
		if c.status == 422 && codeOf(t, out) != "response_too_large" {
			t.Errorf("%s: response %s, want response_too_large", name, out.Body)
		}
	}
}

func TestAPanicIsAnswered(t *testing.T) {
	for _, cause := range []any{"a defect", http.ErrAbortHandler} {
		var log bytes.Buffer
		out := invoke(t, func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "half of an ans")
			panic(cause)
		}, &log, event(nil))
		if out.StatusCode != 500 || codeOf(t, out) != "internal" || strings.Contains(out.Body, "half") ||
			!strings.Contains(log.String(), "gateway_test.go") {
			t.Errorf("response %d %s and log %s, want 500 and the stack in the log", out.StatusCode, out.Body, &log)
		}
	}
}

func TestTheLogHasALineForEachRequestWithoutItsPath(t *testing.T) {
	var log bytes.Buffer
	payload := event(func(e *events.APIGatewayV2HTTPRequest) {
		e.RawPath, e.RawQueryString = "/in/secret-token", "token=secret-token"
		e.Headers["authorization"] = "Bearer secret-token"
	})
	out := invoke(t, func(w http.ResponseWriter, r *http.Request) {
		note.Add(r.Context(), "tenant", "ten_1")
		w.WriteHeader(204)
	}, &log, payload)
	var line map[string]any
	if err := json.Unmarshal(log.Bytes(), &line); err != nil {
		t.Fatalf("%v: %s", err, &log)
	}
	for name, want := range map[string]any{"request_id": out.Headers["Request-Id"], "gateway_request_id": "gateway-id",
		"method": "POST", "status": 204.0, "tenant": "ten_1"} {
		if line[name] != want {
			t.Errorf("%s is %v, want %v", name, line[name], want)
		}
	}
	if strings.Contains(log.String(), "secret-token") {
		t.Errorf("the log contains a token: %s", &log)
	}
}

func FuzzInvoke(f *testing.F) {
	f.Add(event(nil))
	f.Add(event(func(e *events.APIGatewayV2HTTPRequest) { e.Body, e.IsBase64Encoded = "/w==", true }))
	f.Add(
		[]byte(
			`{"version":"2.0","rawPath":"%","headers":{"":"","a b":"\u0000"},"cookies":[""],` +
				`"requestContext":{"http":{"method":" "}}}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		var body []byte
		out := invoke(t, func(w http.ResponseWriter, r *http.Request) {
			var err error
			if body, err = io.ReadAll(r.Body); err != nil || len(body) > maxBody {
				t.Errorf("body has %d bytes, %v, want at most %d", len(body), err, maxBody)
			}
			_ = r.URL.String()
			_, _ = w.Write(body)
		}, io.Discard, payload)
		if out.StatusCode < 200 || out.StatusCode > 599 {
			t.Errorf("status %d, want 200 to 599", out.StatusCode)
		}
		if out.StatusCode != 200 {
			return
		}
		got := []byte(out.Body)
		if out.IsBase64Encoded {
			var err error
			if got, err = base64.StdEncoding.DecodeString(out.Body); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got, body) {
			t.Errorf("response %q, want the body %q", got, body)
		}
	})
}

// AWS charges for each byte of logs. The costs in README assume 1 KB for an invocation, of which a third is for
// Lambda's own lines.
func TestAnInvocationLogsLittle(t *testing.T) {
	t.Setenv("AWS_REGION", "us-east-1")
	var out bytes.Buffer
	env, err := awsenv.Read(t.Context(), "ingest", func(name string) (string, bool) {
		return map[string]string{string(awsenv.Table): "hookcast-Table-1ABCDEFGHIJKL"}[name],
			name == string(awsenv.Table)
	}, &out, awsenv.Table)
	if err != nil {
		t.Fatal(err)
	}
	h := gateway.New(gateway.Options{Logger: env.Logger, Measure: env.Measure, MaxBody: maxBody,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			note.Add(r.Context(), "tenant", tenants.NewID(tenants.PrefixTenant))
			note.Add(r.Context(), "event", tenants.NewID(tenants.PrefixEvent))
			w.WriteHeader(http.StatusAccepted)
		})})
	if _, err := h.Invoke(t.Context(), event(nil)); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(out.String(), "\n"); lines != 2 || out.Len() > 700 {
		t.Errorf("got %d lines with %d bytes, want 2 with at most 700:\n%s", lines, out.Len(), &out)
	}
}

// The context of a waiting handler ends early enough for a response, because Lambda ends the process at its deadline.
func TestAHandlerIsToldBeforeTheInvocationEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		answer, err := gateway.New(gateway.Options{Handler: slow, Logger: slog.New(slog.DiscardHandler),
			MaxBody: maxBody}).Invoke(ctx, event(nil))
		if err != nil || ctx.Err() != nil || !bytes.Contains(answer, []byte(`"statusCode":503`)) {
			t.Errorf("Invoke = %s, %v with the invocation's context %v, want 503 in time", answer, err, ctx.Err())
		}
	})
}
