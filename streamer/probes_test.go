package streamer

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/trace"
)

func TestReadinessIsHonestAndHealthIsNot(t *testing.T) {
	var broken error
	w := newWorld(t, func(o *Options) { o.Ready = func() error { return broken } })
	probe := func(path string) int { a, _ := w.talk(t, "GET "+path+head+"\r\n"); return a.StatusCode }
	want := func(when string, status int) {
		t.Helper()
		if got := probe("/readyz"); got != status || probe("/healthz") != 200 {
			t.Errorf("%s: /readyz %d, want %d", when, got, status)
		}
	}
	want("at first", 200)
	broken = tenants.Errorf(tenants.Unavailable, "table_unavailable", "%w", errors.New("gone"))
	want("without a table", 503)
	broken = nil
	l := w.App.listener.Load()
	l.attached.Add(l.mark)
	want("at the mark", 503)
	_, key := w.tenant(t)
	s := w.open(t, "/v1/stream?channel=a", auth(key), eventSource)
	if e := s.next(t); e.Name != sse.Quota || !strings.Contains(string(e.Data), "node_full") ||
		s.Retry() > retryNodeMax {
		t.Errorf("a stream at the mark: %s %s", e.Name, e.Data)
	}
	if s := w.open(t, "/v1/stream?channel=a", auth(key)); s.head.StatusCode != 503 ||
		s.head.Header.Get("Retry-After") == "" {
		t.Errorf("a stream at the mark: %v", s.head)
	}
	l.attached.Add(-l.mark)
	want("below the mark", 200)
	if a, _ := w.talk(t, "HEAD /readyz"+head+"\r\n"); a.StatusCode != 200 || a.body != "" {
		t.Errorf("HEAD: %d %q", a.StatusCode, a.body)
	}
}

func TestDrainTurnsReadinessRedAndSaysGoodbye(t *testing.T) {
	bothSinks(t, func(t *testing.T, sink func(*hub.Options)) {
		w := newWorldOn(t, sink)
		_, key := w.tenant(t)
		s := w.open(t, "/v1/stream?channel=a", auth(key))
		s.next(t)
		w.draining.Store(true)
		if a, _ := w.talk(t, "GET /readyz"+head+"\r\n"); a.StatusCode != 503 || !strings.Contains(a.body, "draining") {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
		if e := w.open(t, "/v1/stream?channel=a", auth(key), eventSource).next(t); e.Name != sse.Quota {
			t.Errorf("a stream while draining: %s %s", e.Name, e.Data)
		}
		done := make(chan error)
		go func() { done <- w.Drain(t.Context(), 0) }()
		if e := s.next(t); e.Name != sse.Goodbye || s.Retry() == 0 {
			t.Errorf("%v", e)
		}
		s.ended(t)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestMetricsAreForThisMachineAndTheOperator(t *testing.T) {
	w := newWorld(t, func(o *Options) {
		o.Metrics = func() []Metric {
			return []Metric{{Name: "hookcast_commits_total", Help: "Commits.", Counter: true, Value: 7}}
		}
		o.Tracer = trace.NewTracer(tenantstest.NewTable(tenantstest.Faults{}), nil)
		o.Tracer.Step("ten_a", "evt_a", time.Now(), trace.Step{Name: trace.StepWritten})
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		o.Tracer.Flush(gone)
	})
	_, key := w.tenant(t)
	operator := account.NewOperatorKey()
	if err := w.keys.EnsureOperator(t.Context(), operator); err != nil {
		t.Fatal(err)
	}
	s := w.open(t, "/v1/stream?channel=a", auth(key))
	s.next(t)
	a, _ := w.talk(t, "GET /metrics"+head+"\r\n")
	for _, want := range []string{"\nhookcast_ready 1\n", "\nhookcast_sockets_open ",
		`hookcast_connections{plan="free",transport="sse"} 1`,
		"# TYPE hookcast_commits_total counter\nhookcast_commits_total 7\n",
		"\nhookcast_requests_total{class=\"2xx\"} 1\n", "\nhookcast_descriptors_open ",
		"\nhookcast_trace_dropped_total 1\n"} {
		if !strings.Contains("\n"+a.body, want) {
			t.Errorf("no %q in\n%s", want, a.body)
		}
	}
	forwarded := "X-Forwarded-For: 1.1.1.1\r\n"
	for lines, status := range map[string]int{
		forwarded:                             401,
		"Forwarded: for=1.1.1.1\r\n":          401,
		forwarded + auth(key) + "\r\n":        403,
		forwarded + auth(operator) + "\r\n":   200,
		forwarded + auth("nonsense") + "\r\n": 401,
	} {
		if a, _ := w.talk(t, "GET /metrics"+head+lines+"\r\n"); a.StatusCode != status {
			t.Errorf("%s: %d, want %d", lines, a.StatusCode, status)
		}
	}
}

func TestTheAccessLogNamesNoSecret(t *testing.T) {
	for target, want := range map[string]string{
		"/v1/stream?channel=a&token=eyJhbGciOi": "/v1/stream",
		"/in/abcdefgh":                          "/in/…",
		"/in/abcdefgh/more?x=y":                 "/in/…",
		"http://host/in/abcdefgh":               "http…",
		"/v1/keys/hk_live_abc":                  "/v1/keys/…",
		"/v1/reports/rpt_01m80z13":              "/v1/reports/…",
		"/v1/eyJhbGciOi.x.y/z":                  "/v1/…/z",
		"/v1/stream%3Ftoken=eyJ":                "/v1/stream…",
		"/%69n/abcdefgh":                        "/…",
		"/v1/channels/orders.42/events":         "/v1/channels/orders.42/events",
		"/a\"b":                                 "/a…",
		"":                                      "",
	} {
		if got := loggedPath([]byte(target)); got != want {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
	}
	w := newWorld(t)
	tenant, key := w.tenant(t)
	w.talk(t, "GET /v1/poll?channel=a&wait=0"+head+auth(key)+"\r\n\r\n")
	line := w.log.String()
	for _, want := range []string{"msg=request", "method=GET", "path=/v1/poll ", "status=200", "duration=", "bytes=",
		"request_id=req_", "tenant=" + string(tenant)} {
		if !strings.Contains(line, want) {
			t.Errorf("no %s in %s", want, line)
		}
	}
}

func TestTheAccessLogNamesTheTenantThatAMountedHandlerFound(t *testing.T) {
	w := newWorld(t, func(o *Options) {
		o.Pages = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/stranger" {
				Observe(r.Context(), "ten_found")
			}
			if r.URL.Path == "/panic" {
				panic("a defect")
			}
			w.WriteHeader(http.StatusTeapot)
		})
	})
	Observe(t.Context(), "ten_nobody") // not a request's context: there is nothing to note
	for path, want := range map[string]string{"/known": "tenant=ten_found", "/panic": "tenant=ten_found",
		"/stranger": `tenant=""`} {
		a, _ := w.talk(t, "GET "+path+head+"\r\n")
		var line string
		for each := range strings.Lines(w.log.String()) {
			if strings.Contains(each, "request_id="+a.Header.Get("Request-Id")) &&
				strings.Contains(each, "msg=request ") {
				line = each
			}
		}
		if !strings.Contains(line, "path="+path) || !strings.Contains(line, want) {
			t.Errorf("%s: no %s in %q", path, want, line)
		}
	}
}

func TestAssetsMayBeReadByAnyPage(t *testing.T) {
	w := newWorld(t)
	for path, kind := range map[string]string{"/embed.js": "text/javascript; charset=utf-8",
		"/embed.d.ts": "text/plain; charset=utf-8", "/openapi.yaml": "application/yaml"} {
		a, _ := w.talk(t, "GET "+path+head+"Origin: https://app.example.com\r\n\r\n")
		if a.StatusCode != 200 || a.Header.Get("Content-Type") != kind ||
			a.Header.Get("Access-Control-Allow-Origin") != "*" || a.body == "" ||
			!strings.Contains(a.Header.Get("Cache-Control"), "max-age=") || a.Header.Get("ETag") == "" {
			t.Errorf("%s: %d %v", path, a.StatusCode, a.Header)
		}
		if b, _ := w.talk(t, "GET "+path+head+"If-None-Match: "+a.Header.Get("ETag")+"\r\n\r\n"); b.StatusCode != 304 ||
			b.body != "" {
			t.Errorf("%s again: %d", path, b.StatusCode)
		}
	}
}
