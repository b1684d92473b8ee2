// Package admin serves the API behind the gateway, and the few paths beside it that a host has anyway.
package admin

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/hookcast/hookcast/functions/internal/note"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/problem"
)

// Handler serves api, /openapi.yaml with openAPI, and /healthz. What else there is, is the API's to say: its 404 has the contract's form.
//
// Streams and polls are told that they have come to the wrong host. A function cannot hold a connection, and the gateway would cut it
// after some seconds: a client that is only configured wrong is to know at once.
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
				"streams, polls and proxies' runs are served by this deployment's streaming host, this is its API's"))
		default:
			api.ServeHTTP(w, r)
		}
	})
}

// runsProxy tells whether a path runs a proxy, which takes longer than a function may.
func runsProxy(path string) bool {
	rest, ok := strings.CutPrefix(path, "/v1/proxies/")
	return ok && (rest == "run" || strings.HasSuffix(rest, "/stream") || strings.HasSuffix(rest, "/collect"))
}

// Interest counts a channel's subscribers on all nodes: *tenants.Interest.
type Interest interface {
	Subscribers(ctx context.Context, t tenants.TenantID, channel string) (int, error)
	Left(ctx context.Context, t tenants.TenantID, channel string) (bool, error)
}

// Subscribers counts a channel's subscribers for the API, which has the number beside what matters: where it cannot be had it is 0.
func Subscribers(in Interest, log *slog.Logger) func(context.Context, tenants.TenantID, string) int {
	return func(ctx context.Context, t tenants.TenantID, channel string) int {
		n, err := in.Subscribers(ctx, t, channel)
		if err != nil {
			log.WarnContext(ctx, "subscribers could not be counted", "tenant", t, "error", err)
		}
		return n
	}
}

// Left tells the API whether a bound channel's client has left; where that cannot be found out it has not.
func Left(in Interest, log *slog.Logger) func(context.Context, tenants.TenantID, string) bool {
	return func(ctx context.Context, t tenants.TenantID, channel string) bool {
		left, err := in.Left(ctx, t, channel)
		if err != nil {
			log.WarnContext(ctx, "whether a client has left could not be found out", "tenant", t, "error", err)
		}
		return left
	}
}

// Observe notes whose request it is.
func Observe(ctx context.Context, t tenants.TenantID) { note.Add(ctx, "tenant", string(t)) }
