package streamer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// dial opens a raw connection to the App.
func (w *world) dial(t testing.TB) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// answer is a response with its body read.
type answer struct {
	*http.Response
	body string
}

func readAnswer(t *testing.T, r *bufio.Reader, method string) answer {
	t.Helper()
	res, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("half an answer: %v", err)
	}
	return answer{res, string(b)}
}

// talk sends raw and reads one response, and reports whether the server then closed the connection.
func (w *world) talk(t *testing.T, raw string) (a answer, closed bool) {
	t.Helper()
	c := w.dial(t)
	if _, err := io.WriteString(c, raw); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(raw, " ")
	r := bufio.NewReader(c)
	a = readAnswer(t, r, method)
	if a.Header.Get("Request-Id") == "" {
		t.Errorf("an answer without Request-Id: %v", a.Header)
	}
	if !a.Close {
		return a, false
	}
	if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the answer said close, and reading on gave %v", err)
	}
	return a, true
}

const head = " HTTP/1.1\r\nHost: h\r\n"

func TestMalformedRequestsGet400AndAClosedConnection(t *testing.T) {
	w := newWorld(t)
	for name, raw := range map[string]string{
		"content-length with transfer-encoding": "POST /in/x" +
			head + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"transfer-encoding with content-length": "POST /in/x" +
			head + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
		"identity with content-length": "POST /in/x" +
			head + "Transfer-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc",
		"two content-lengths":        "POST /in/x" + head + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
		"content-length with a sign": "POST /in/x" + head + "Content-Length: +3\r\n\r\nabc",
		"content-length list":        "POST /in/x" + head + "Content-Length: 3, 3\r\n\r\nabc",
		"two transfer-encodings": "POST /in/x" +
			head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"chunked twice": "POST /in/x" +
			head + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
		"bare LF after the request line":     "GET /healthz HTTP/1.1\nHost: h\r\n\r\n",
		"bare LF everywhere":                 "GET /healthz HTTP/1.1\nHost: h\n\n",
		"bare LF after a header":             "GET /healthz" + head + "A: b\nC: d\r\n\r\n",
		"bare LF in front of the end":        "GET /healthz" + head + "A: b\n\r\n",
		"NUL in a value":                     "GET /healthz" + head + "A: b\x00c\r\n\r\n",
		"CR in a value":                      "GET /healthz" + head + "A: b\rc\r\n\r\n",
		"no host":                            "GET /healthz HTTP/1.1\r\n\r\n",
		"two hosts":                          "GET /healthz" + head + "Host: i\r\n\r\n",
		"folded header":                      "GET /healthz" + head + "A: b\r\n c\r\n\r\n",
		"folded header with tab":             "GET /healthz" + head + "A: b\r\n\tc\r\n\r\n",
		"space in front of the first header": "GET /healthz HTTP/1.1\r\n Host: h\r\n\r\n",
		"space before the colon":             "GET /healthz" + head + "A : b\r\n\r\n",
		"space in a name":                    "GET /healthz" + head + "A b: c\r\n\r\n",
		"no colon":                           "GET /healthz" + head + "A\r\n\r\n",
		"no target":                          "GET HTTP/1.1\r\nHost: h\r\n\r\n",
		"control byte in the target":         "GET /healthz?a=\x01" + head + "\r\n",
		"HTTP/2.0":                           "GET /healthz HTTP/2.0\r\nHost: h\r\n\r\n",
		"HTTP/3.7":                           "GET /healthz HTTP/3.7\r\nHost: h\r\n\r\n",
		"no method":                          " /healthz" + head + "\r\n",
		"no HTTP at all":                     "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			a, closed := w.talk(t, raw)
			if a.StatusCode != 400 || !closed ||
				!strings.HasPrefix(a.Header.Get("Content-Type"), "application/problem+json") {
				t.Errorf("%d %v, closed %v: %s", a.StatusCode, a.Header, closed, a.body)
			}
			if a.Header.Get("Server") != "" {
				t.Error("a Server header")
			}
		})
	}
}

func TestNothingOfAMalformedHeaderIsAnsweredOrLogged(t *testing.T) {
	w := newWorld(t)
	const canary = "hk_live_CANARY"
	for _, raw := range []string{
		"GET /v1/stream" + head + "Authorization : Bearer " + canary + "\r\n\r\n",
		"GET /v1/stream" + head + "Authorization Bearer " + canary + "\r\n\r\n",
		"GET /v1/stream" + head + "Authorization: Bearer " + canary + "\x00\r\n\r\n",
		"GET /v1/stream" + head + "X: y\r\n Authorization: Bearer " + canary + "\r\n\r\n",
		"GET /v1/stream" + head + "Authorization: Bearer " + canary + "\r\nContent-Length: x\r\n\r\n",
		"GET /v1/stream" + head + "Authorization: Bearer " + canary + "\r\nTransfer-Encoding: " + canary + "\r\n\r\n",
		"GET /v1/stream?token=" + canary + " HTTP/9\r\nHost: h\r\n\r\n",
		canary + " /v1/stream" + head + "\r\n",
		"GET " + canary + " HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET /v1/stream?token=" + canary + "&channel=a" + head + "\r\n",
		"GET /v1/stream?channel=a&channel=" + canary + head + "\r\n",
		"GET /v1/stream%3Ftoken=" + canary + head + "\r\n",
		"GET /v1/" + canary + head + "\r\n",
		"POST /in/" + canary + "/x" + head + "Content-Length: 0\r\n\r\n",
		"GET /v1/stream" + head + "Authorization: Bearer " + canary + strings.Repeat("A", 64<<10) + "\r\n\r\n",
	} {
		a, _ := w.talk(t, raw)
		if a.StatusCode < 400 || strings.Contains(a.body, "CANARY") ||
			strings.Contains(fmt.Sprint(a.Header), "CANARY") {
			t.Errorf("%.60q: %d %v %s", raw, a.StatusCode, a.Header, a.body)
		}
	}
	if log := w.log.String(); strings.Contains(log, "CANARY") || !strings.Contains(log, "request") {
		t.Errorf("the log:\n%s", log)
	}
}

func TestHeadersOf64KBGet431(t *testing.T) {
	w := newWorld(t)
	for name, raw := range map[string]string{
		"one header": "GET /healthz" + head + "A: " + strings.Repeat("a", 64<<10) + "\r\n\r\n",
		"a thousand": "GET /healthz" + head + strings.Repeat("A: "+strings.Repeat("a", 60)+"\r\n", 1000) +
			"\r\n",
		"a Last-Event-ID of 1 MB": "GET /v1/stream?channel=a" + head + "Last-Event-ID: " + strings.Repeat("1", 1<<20) +
			"\r\n\r\n",
		"10,000 channels": "GET /v1/stream?" + strings.Repeat("channel=a&", 10_000) + head + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			a, closed := w.talk(t, raw)
			if a.StatusCode != 431 || !closed || !strings.Contains(a.body, `"code":"headers_too_large"`) ||
				!strings.Contains(a.body, `"status":431`) {
				t.Errorf("%d, closed %v: %s", a.StatusCode, closed, a.body)
			}
		})
	}
}

func TestBodyOneByteOverGets413AndTheLimitItselfArrivesWhole(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.BodyLimit = 100_000 })
	chunked := func(n int) string {
		return "POST /echo" + head + "Transfer-Encoding: chunked\r\n\r\n" +
			fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", n, strings.Repeat("a", n))
	}
	sized := func(n int) string {
		return "POST /echo" + head + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", n, strings.Repeat("a", n))
	}
	for name, c := range map[string]struct {
		raw    string
		status int
	}{
		"sized at the limit":     {sized(100_000), 200},
		"chunked at the limit":   {chunked(100_000), 200},
		"sized one byte over":    {sized(100_001), 413},
		"chunked one byte over":  {chunked(100_001), 413},
		"a length that is a lie": {"POST /echo" + head + "Content-Length: 99999999999\r\n\r\nabc", 413},
		"asked about beforehand": {"POST /echo" + head + "Expect: 100-continue\r\nContent-Length: 100001\r\n\r\n",
			413},
		"a length beyond 64 bits": {"POST /echo" + head + "Content-Length: 99999999999999999999\r\n\r\nabc", 400},
		"a chunk with no end": {"POST /echo" + head + "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
			400},
		"a chunk of no length": {"POST /echo" + head + "Transfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n",
			400},
		"chunks in LF alone": {"POST /echo" + head + "Transfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n", 400},
		"multipart passes as sent": {"POST /echo" + head +
			"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 8\r\n\r\n--b\r\nxx\n", 200},
	} {
		t.Run(name, func(t *testing.T) {
			a, closed := w.talk(t, c.raw)
			if a.StatusCode != c.status || closed != (c.status != 200) {
				t.Fatalf("%d, closed %v: %.200s", a.StatusCode, closed, a.body)
			}
			if _, sent, _ := strings.Cut(c.raw, "\r\n\r\n"); c.status == 200 && len(a.body) < 100_000 &&
				a.body != sent {
				t.Errorf("the body became %q", a.body)
			} else if c.status == 200 && len(a.body) >= 100_000 && a.body != strings.Repeat("a", 100_000) {
				t.Errorf("the body became %d bytes", len(a.body))
			} else if c.status == 413 && !strings.Contains(a.body, `"code":"body_too_large"`) {
				t.Error(a.body)
			}
		})
	}
}

func TestSlowRequestsGet408(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.ReadTimeout = time.Second })
	for name, raw := range map[string]string{
		"headers":              "GET /healthz HTTP/1.1\r\nHost",
		"body":                 "POST /echo" + head + "Content-Length: 10\r\n\r\nabc",
		"body after the first": "POST /echo" + head + "Content-Length: 20000\r\n\r\n" + strings.Repeat("a", 10_000),
		"chunked body":         "POST /echo" + head + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, closed := w.talk(t, raw)
			if a.StatusCode != 408 || !closed || !strings.Contains(a.body, `"code":"request_timeout"`) {
				t.Errorf("%d, closed %v: %s", a.StatusCode, closed, a.body)
			}
		})
	}
	t.Run("a body that nobody reads is not waited for twice", func(t *testing.T) {
		t.Parallel()
		if a, closed := w.talk(t, "POST /nobody"+head+"Content-Length: 10\r\n\r\nabc"); a.StatusCode != 204 || !closed {
			t.Errorf("%d, closed %v", a.StatusCode, closed)
		}
	})
	t.Run("nothing at all is closed", func(t *testing.T) {
		t.Parallel()
		if n, err := w.dial(t).Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("read %d, %v", n, err)
		}
	})
}

func TestAPanicIsA500ThatSaysNothingAndTheProcessLives(t *testing.T) {
	w := newWorld(t)
	a, closed := w.talk(t, "GET /panic"+head+"\r\n")
	if a.StatusCode != 500 || !closed || !strings.Contains(a.body, `"code":"internal"`) ||
		strings.Contains(a.body, "secret") {
		t.Errorf("%d, closed %v: %s", a.StatusCode, closed, a.body)
	}
	if !strings.Contains(w.log.String(), "panic in a request handler") {
		t.Errorf("not logged: %s", w.log.String())
	}
	if a, _ := w.talk(t, "GET /healthz"+head+"\r\n"); a.StatusCode != 200 {
		t.Errorf("afterwards: %d", a.StatusCode)
	}
}

func TestABodyThatNobodyReadsIsNotTakenForARequest(t *testing.T) {
	w := newWorld(t)
	const trap = "GET /panic" + head + "\r\n"
	for _, line := range []string{"GET /healthz", "POST /healthz", "GET /v1/stream?channel=a", "GET /v1/poll",
		"PUT /readyz", "OPTIONS /v1/stream"} {
		a, closed := w.talk(t, fmt.Sprintf("%s%sContent-Length: %d\r\n\r\n%s", line, head, len(trap), trap))
		if !closed {
			t.Errorf("%s with a body: %d, and the connection stays open", line, a.StatusCode)
		}
	}
	if strings.Contains(w.log.String(), "panic") {
		t.Error("a body was taken for a request")
	}
}

func TestUnknownMethodsAndPathsGetProblems(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Pages = nil })
	for raw, want := range map[string]int{
		"PURGE /healthz":          405,
		"POST /healthz":           405,
		"HEAD /v1/stream":         405,
		"POST /v1/stream":         405,
		"DELETE /v1/poll":         405,
		"GET /nowhere":            404,
		"GET /healthz/":           404,
		"GET /HEALTHZ":            404,
		"GET /health%7A":          404,
		"GET //healthz":           404,
		"GET /v1/../healthz":      404,
		"OPTIONS *":               404,
		"CONNECT h:443":           405,
		"GET http://i/nowhere?a=": 404,
	} {
		a, _ := w.talk(t, raw+head+"Content-Length: 0\r\n\r\n")
		if a.StatusCode != want || a.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %v %s, want %d", raw, a.StatusCode, a.Header, a.body, want)
		}
		if want == 405 && !strings.Contains(a.Header.Get("Allow"), "GET") {
			t.Errorf("%s: Allow %q", raw, a.Header.Get("Allow"))
		}
	}
}

func TestTheAdaptorKeepsARequestAsItWasSent(t *testing.T) {
	w := newWorld(t)
	a, _ := w.talk(t, "POST /dump/%2e%2e/x%20y?b=2&a=1&a=%zz HTTP/1.1\r\nHost: Example.COM:81\r\nX-Sig: "+
		"one\r\nx-sig: two\r\nCookie: a=1;b=2\r\nX-Sig:\tthree \r\n"+
		"Content-Type: text/plain\r\nContent-Length: 3\r\nUser-Agent: u\r\n\r\nabc")
	want := "POST /dump/%2e%2e/x%20y?b=2&a=1&a=%zz Example.COM:81 3 [one two three] [a=1;b=2] [text/plain] [u] [3]"
	if a.StatusCode != 201 || a.body != want {
		t.Errorf("%d %s\nwant %s", a.StatusCode, a.body, want)
	}
	if v := a.Header.Values("X-Multi"); len(v) != 2 || v[0] != "1" || v[1] != "2" {
		t.Errorf("X-Multi: %q", v)
	}
	if a.ContentLength != int64(len(want)) || len(a.TransferEncoding) != 0 {
		t.Errorf("Content-Length %d, Transfer-Encoding %v", a.ContentLength, a.TransferEncoding)
	}
	// A response to HEAD keeps the length that the handler set and has no body.
	if a, _ := w.talk(t, "HEAD /embed.js"+head+"\r\n"); a.StatusCode != 200 || a.ContentLength < 1000 || a.body != "" {
		t.Errorf("HEAD: %d, Content-Length %d, %d bytes", a.StatusCode, a.ContentLength, len(a.body))
	}
}

func TestAConnectionServesRequestsOneAfterTheOther(t *testing.T) {
	w := newWorld(t)
	c := w.dial(t)
	r := bufio.NewReader(c)
	for i := range 3 {
		fmt.Fprintf(c, "POST /echo%sContent-Length: 3\r\n\r\nab%d", head, i)
		if a := readAnswer(t, r, "POST"); a.StatusCode != 200 || a.body != fmt.Sprintf("ab%d", i) {
			t.Fatalf("%d: %d %s", i, a.StatusCode, a.body)
		}
		// A body that the handler leaves unread is not read as the next request.
		const trap = "GET /panic" + head + "\r\n"
		fmt.Fprintf(c, "POST /nobody%sContent-Length: %d\r\n\r\n%s", head, len(trap), trap)
		if a := readAnswer(t, r, "POST"); a.StatusCode != 204 {
			t.Fatalf("%d: %d %s", i, a.StatusCode, a.body)
		}
	}
	io.WriteString(c, "GET /healthz HTTP/1.0\r\n\r\n")
	if a := readAnswer(t, r, "GET"); a.StatusCode != 200 || !a.Close {
		t.Errorf("HTTP/1.0: %d, close %v", a.StatusCode, a.Close)
	}
}
