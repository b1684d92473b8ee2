// Package admin serves the API behind the gateway, and a few other paths of the API's host.
package admin

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/hookcast/hookcast/functions/internal/note"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/problem"
)

// Handler serves /openapi.yaml with the content openAPI, /healthz, and all other paths with api, whose 404 is a
// problem document.
//
// Requests for streams and polls get 404 with code wrong_host. A function cannot hold a connection, and the gateway
// would close it after some seconds; the error tells a wrongly configured client at once.
func Handler(api http.Handler, openAPI []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		probe := r.Method == http.MethodGet || r.Method == http.MethodHead
		switch path := r.URL.EscapedPath(); {
		case probe && path == "/openapi.yaml":
			h := w.Header()
			h.Set("Content-Type", "application/yaml") // RFC 9512
			h.Set("Cache-Control", "public, max-age=300, must-revalidate")
			h.Set("Access-Control-Allow-Origin", "*")
			h.Set("X-Content-Type-Options", "nosniff")
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(openAPI))
		case probe && path == "/healthz":
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.Header().Set("Cache-Control", "no-store")
			if r.Method == http.MethodGet {
				_, _ = w.Write([]byte("ok\n"))
			}
		case path == "/v1/stream" || path == "/v1/poll" || path == "/v1/ws" || runsProxy(path):
			id := tenants.NewID(tenants.PrefixRequest)
			w.Header().Set("Request-Id", id)
			w.Header().Set("Cache-Control", "no-store")
			problem.Write(w, r, id, tenants.Errorf(tenants.NotFound, "wrong_host",
				"this is the API's host: use the deployment's streaming host for streams, polls and runs of proxies"))
		default:
			api.ServeHTTP(w, r)
		}
	})
}

// runsProxy reports whether a path runs a proxy, which takes longer than a function may run.
func runsProxy(path string) bool {
	rest, ok := strings.CutPrefix(path, "/v1/proxies/")
	return ok && (rest == "run" || strings.HasSuffix(rest, "/stream") || strings.HasSuffix(rest, "/collect"))
}

// Observe adds the tenant to the request's log line.
func Observe(ctx context.Context, t tenants.TenantID) { note.Add(ctx, "tenant", string(t)) }
