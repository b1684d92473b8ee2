package admin_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/functions/admin"
	"github.com/hookcast/hookcast/functions/internal/note"
	"github.com/hookcast/hookcast/tenants/problem"
)

func TestWhatIsBesideTheAPI(t *testing.T) {
	api := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(418) })
	h := admin.Handler(api, []byte("openapi: 3.1.0\n"))
	for _, tt := range []struct {
		method, path string
		status       int
		body, kind   string
	}{
		{"GET", "/healthz", 200, "ok\n", "text/plain; charset=utf-8"},
		{"HEAD", "/healthz", 200, "", "text/plain; charset=utf-8"},
		{"GET", "/openapi.yaml", 200, "openapi: 3.1.0\n", "application/yaml"},
		{"HEAD", "/openapi.yaml", 200, "", "application/yaml"},
		{"POST", "/healthz", 418, "", ""},
		{"GET", "/healthz/", 418, "", ""},
		{"GET", "/%68ealthz", 418, "", ""},
		{"GET", "/v1/keys", 418, "", ""},
		{"GET", "/", 418, "", ""},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, nil))
		if w.Code != tt.status || w.Body.String() != tt.body || w.Header().Get("Content-Type") != tt.kind {
			t.Errorf("%s %s: got status %d, header %v and body %q, want %d, %q and %q", tt.method, tt.path, w.Code,
				w.Header(), w.Body, tt.status, tt.kind, tt.body)
		}
	}
}

// A client that uses the API's address for streams gets wrong_host for any method, and never reaches the API.
func TestStreamsAreToldThatTheyAreAtTheWrongHost(t *testing.T) {
	h := admin.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(418) }), nil)
	for _, target := range []string{"GET /v1/stream?channel=a", "HEAD /v1/stream", "GET /v1/poll?channel=a&wait=25",
		"GET /v1/ws?channel=a", "POST /v1/ws",
		"POST /v1/proxies/prx_1/stream", "POST /v1/proxies/prx_1/collect", "POST /v1/proxies/run"} {
		method, path, _ := strings.Cut(target, " ")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		var said struct {
			Code, Detail string
			RequestID    string `json:"request_id"`
		}
		if method != "HEAD" {
			if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil || said.Code != "wrong_host" ||
				!strings.Contains(said.Detail, "streaming host") {
				t.Errorf("%s: got body %s, %v, want wrong_host with the advice to use the streaming host", target,
					w.Body, err)
			}
		}
		id := w.Header().Get("Request-Id")
		if w.Code != 404 || w.Header().Get("Content-Type") != problem.ContentType || id == "" ||
			method != "HEAD" && said.RequestID != id {
			t.Errorf("%s: got status %d and header %v, want a 404 problem with request id %s", target, w.Code,
				w.Header(), said.RequestID)
		}
	}
	for _, path := range []string{"/v1/streams", "/v1/stream/", "/v1/poll/x", "/v1/proxies", "/v1/proxies/prx_1"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != 418 {
			t.Errorf("%s: got status %d, want the API's 418", path, w.Code)
		}
	}
}

func TestTheTenantIsNoted(t *testing.T) {
	ctx, notes := note.With(t.Context())
	admin.Observe(ctx, "ten_1")
	admin.Observe(t.Context(), "ten_2") // a context without Notes
	if got := notes.Attrs(); len(got) != 1 || got[0].Key != "tenant" || got[0].Value.String() != "ten_1" {
		t.Errorf("notes are %v, want tenant ten_1 alone", got)
	}
}
