// Package api implements the admin API as a net/http handler. Every tier mounts it: one box, the streaming tier and
// the admin function. openapi.yaml is its contract.
//
// A route is a row of one table (routes.go): its method and path, the right that it asks the Gate for, and a function
// that turns a call into an answer. Everything else is done once, around that function: the request id,
// authentication and authorization, the limit of the body, the idempotency key, and the encoding of the answer and of
// errors.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/cache"
	"github.com/hookcast/hookcast/tenants/delivery"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/erasure"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/job"
	"github.com/hookcast/hookcast/tenants/keyring"
	"github.com/hookcast/hookcast/tenants/problem"
	"github.com/hookcast/hookcast/tenants/projection"
	"github.com/hookcast/hookcast/tenants/proxy"
	"github.com/hookcast/hookcast/tenants/source"
	"github.com/hookcast/hookcast/tenants/token"
	"github.com/hookcast/hookcast/tenants/trace"
)

// Options are the API's dependencies. All are required unless a comment says otherwise.
type Options struct {
	Table      tenants.Table // stores idempotency keys; has the traces
	Accounts   *account.Accounts
	Erasure    *erasure.Erasure
	Keys       *account.Keys
	Sources    *source.Sources
	Proxies    *proxy.Proxies
	Verifier   source.Verifier // verifies recorded requests for a source
	Endpoints  *endpoint.Endpoints
	Probe      *endpoint.Probe
	Recovery   Recovery // nil: endpoints cannot recover events
	Deliveries *delivery.Deliveries
	Log        *eventlog.Log
	Publisher  *intake.Publisher
	Tokens     *token.Tokens
	Jobs       *job.Jobs
	Gate       *access.Gate
	Policies   *access.Policies // the rules that the Gate applies
	Cursors    keyring.Cursors
	// Subscribers counts the open subscriptions of a channel over all nodes, at most 5 s old.
	Subscribers func(ctx context.Context, t tenants.TenantID, channel string) int
	// Left reports whether the client of a bound channel has left; see tenants.Interest. Nil: that is not known.
	Left        func(ctx context.Context, t tenants.TenantID, channel string) bool
	Connections Connections
	Usage       *projection.MonthlyUsage
	Index       *projection.EventIndex
	Audit       *account.AuditLog
	Logger      *slog.Logger
	SignupOpen  bool
	PublicURL   string // base address of /in/{token}, as providers reach it
	// ClientAddr returns the address of the client that sent a request, as seen by the outermost proxy. Nil: the
	// connection's own address.
	ClientAddr func(*http.Request) netip.Addr
	// Observe is called with the tenant of each authenticated request. Nil: nothing is called.
	Observe func(context.Context, tenants.TenantID)
}

// API serves the admin API.
type API struct {
	Options
	mux     *http.ServeMux
	signups *throttle
	months  *cache.Cache[tenants.TenantID, []projection.MonthUsage]
	rates   *cache.Cache[tenants.TenantID, int] // events per second
	traces  *trace.Reader
}

// New returns the API's handler.
func New(o Options) *API {
	a := &API{Options: o, mux: http.NewServeMux(), signups: newThrottle(5, 12*time.Minute, 10_000),
		months: cache.New[tenants.TenantID, []projection.MonthUsage](usageTrust, 1_000, 0),
		rates:  cache.New[tenants.TenantID, int](usageTrust, 1_000, 0),
		traces: trace.NewReader(o.Table)}
	a.PublicURL = strings.TrimSuffix(o.PublicURL, "/")
	if a.ClientAddr == nil {
		a.ClientAddr = connectionAddr
	}
	for _, rt := range table() {
		a.mux.Handle(rt.Method+" "+rt.Path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			a.serve(w, r, rt)
		}))
	}
	return a
}

func connectionAddr(r *http.Request) netip.Addr {
	ap, _ := netip.ParseAddrPort(r.RemoteAddr)
	return ap.Addr()
}

// ServeHTTP answers a request for any path, with 404 if the API does not have it.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Request-Id", tenants.NewID(tenants.PrefixRequest))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if !isClean(r.URL.EscapedPath()) { // ServeMux would redirect, and a redirect loses the body of a POST
		a.fail(w, r, &tenants.Error{Kind: tenants.NotFound})
		return
	}
	if _, pattern := a.mux.Handler(r); pattern != "" {
		a.mux.ServeHTTP(w, r)
		return
	}
	if allowed := a.methods(r); len(allowed) > 0 {
		h.Set("Allow", strings.Join(allowed, ", "))
		a.fail(w, r, &tenants.Error{Kind: tenants.MethodNotAllowed})
		return
	}
	a.fail(w, r, &tenants.Error{Kind: tenants.NotFound})
}

// isClean reports whether a path is free of empty and dot segments, escaped ones included.
func isClean(escaped string) bool {
	rest, ok := strings.CutPrefix(escaped, "/")
	if !ok {
		return false
	}
	for seg := range strings.SplitSeq(rest, "/") {
		if dots := strings.ReplaceAll(strings.ToLower(seg), "%2e", "."); dots == "" || dots == "." || dots == ".." {
			return false
		}
	}
	return true
}

// methods returns the methods that the request's path supports.
func (a *API) methods(r *http.Request) []string {
	var list []string
	for _, rt := range table() {
		if slices.Contains(list, rt.Method) {
			continue
		}
		probe := &http.Request{Method: rt.Method, URL: r.URL, Host: r.Host}
		if _, pattern := a.mux.Handler(probe); pattern != "" {
			list = append(list, rt.Method)
			if rt.Method == http.MethodGet {
				list = append(list, http.MethodHead)
			}
		}
	}
	slices.Sort(list)
	return list
}

func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	id := w.Header().Get("Request-Id")
	problem.Log(a.Logger, id, err)
	problem.Write(w, r, id, err)
}
