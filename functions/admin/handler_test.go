package admin_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/functions/admin"
	"github.com/hookcast/hookcast/functions/internal/note"
	"github.com/hookcast/hookcast/tenants"
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
			t.Errorf("%s %s: %d %v %q", tt.method, tt.path, w.Code, w.Header(), w.Body)
		}
	}
}

type counts struct {
	n   int
	err error
}

func (c counts) Subscribers(context.Context, tenants.TenantID, string) (int, error) {
	return c.n, c.err
}

func TestACountThatCannotBeHadIsNothingAndLogged(t *testing.T) {
	for _, c := range []counts{{3, nil}, {0, errors.New("down")}} {
		var log bytes.Buffer
		l := slog.New(slog.NewJSONHandler(&log, nil))
		if n := admin.Subscribers(c, l)(t.Context(), "ten_1", "orders"); n != c.n {
			t.Errorf("%d subscribers", n)
		}
		if got := strings.Count(log.String(), "ten_1"); (got == 1) != (c.err != nil) {
			t.Errorf("logged %s", &log)
		}
	}
}

func TestTheTenantIsNoted(t *testing.T) {
	ctx, notes := note.With(t.Context())
	admin.Observe(ctx, "ten_1")
	admin.Observe(t.Context(), "ten_2") // where nobody keeps notes
	if got := notes.Attrs(); len(got) != 1 || got[0].Key != "tenant" || got[0].Value.String() != "ten_1" {
		t.Errorf("noted %v", got)
	}
}
