package streamer

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/streamer/relay"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/proxy"
	"github.com/hookcast/hookcast/tenants/quota"
	"github.com/hookcast/hookcast/tenants/token"
	"github.com/hookcast/hookcast/tenants/trace"
)

// Options configures an App. A field is required unless its comment states its zero value.
type Options struct {
	Hub       *hub.Hub
	Accounts  *account.Accounts
	Keys      *account.Keys
	Tokens    *token.Tokens
	Gate      *access.Gate
	Admission *quota.Admission

	// Proxies and Relay run event streams of other servers; nil: there are none.
	Proxies *proxy.Proxies
	Relay   *relay.Relay

	API     http.Handler // serves the paths under /v1; nil: they are not found
	Ingest  http.Handler // serves /in/…; nil: another host does
	Pages   http.Handler // serves every other path; nil: not found
	OpenAPI []byte       // body of /openapi.yaml

	Logger  *slog.Logger    // nil: discards
	Ready   func() error    // nil: ready whenever the App itself is
	Metrics func() []Metric // more metrics for /metrics; nil: none
	Tracer  *trace.Tracer   // the Hub's, for /metrics; nil: nothing is traced

	TrustedHops int // number of proxies in front that append to X-Forwarded-For
	// ConnectionsPerPeer bounds the connections of one address to the server, not counting streams; any more are
	// closed. 0: no bound, as behind a balancer, whose address all clients share.
	ConnectionsPerPeer int
	BodyLimit          int64         // bytes of a request's body; 0: 1 MiB and 64 KiB. A handler may allow less
	ReadTimeout        time.Duration // for a whole request, and for the first byte on a new connection; 0: 15 s
}

const (
	defaultBodyLimit   = 1<<20 + 64<<10
	defaultReadTimeout = 15 * time.Second
	// between requests; longer than a load balancer's 60 s, so that the balancer closes first
	idleTimeout  = 75 * time.Second
	writeTimeout = 30 * time.Second // for a response to leave; streams have the hub's bounds
	headerBytes  = 32 << 10         // request line and headers; 50 channels with long names fit
)

// App is the streaming tier's HTTP server.
type App struct {
	o          Options
	log        *slog.Logger
	fiber      *fiber.App
	routes     []Route
	profiles   fiber.Handler
	listener   atomic.Pointer[listener]
	draining   atomic.Bool
	handedOver atomic.Int64 // connections that the server gave to the hub
	requests   requestCounter
	lifetime   context.Context // of mounted handlers' requests; ends when the App has shut down
	end        context.CancelFunc
}

// Route is a method and a path that an App itself serves, without mounted handlers. A path that ends in * is a
// prefix.
type Route struct{ Method, Path string }

// New returns an App, which serves once Serve is called.
func New(o Options) *App {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.BodyLimit == 0 {
		o.BodyLimit = defaultBodyLimit
	}
	if o.ReadTimeout == 0 {
		o.ReadTimeout = defaultReadTimeout
	}
	a := &App{o: o, log: o.Logger}
	a.lifetime, a.end = context.WithCancel(context.Background())
	a.fiber = fiber.New(fiber.Config{
		ErrorHandler:          a.routeError,
		DisableStartupMessage: true,
		StrictRouting:         true, // compares paths as sent: no case folding, unescaping or slash trimming
		CaseSensitive:         true,
		UnescapePath:          false,
		// A handler reads its body when it needs it. Otherwise fasthttp would allocate Content-Length bytes before
		// any has come.
		StreamRequestBody:            true,
		DisablePreParseMultipartForm: true, // a webhook's signature covers the bytes as sent
		// bytes that fasthttp reads before it calls the handler; mount enforces the limit
		BodyLimit:                 1,
		ReadBufferSize:            headerBytes,
		ReadTimeout:               o.ReadTimeout,
		WriteTimeout:              writeTimeout,
		IdleTimeout:               idleTimeout,
		ReduceMemoryUsage:         true, // an idle new connection holds no buffer
		DisableDefaultContentType: true,
	})
	a.route()
	server := a.fiber.Server()
	server.Handler = a.wrap(a.fiber.Handler())
	server.ErrorHandler = a.readError
	server.ExpectHandler = a.expect
	server.KeepHijackedConns = true
	server.MaxIdleWorkerDuration = workerIdle
	server.SecureErrorLogMessage = true // otherwise the log would quote a malformed header in full, with its API key
	return a
}

// Serve accepts connections from ln, which it owns, until Drain or Shutdown, and then returns nil.
func (a *App) Serve(ln net.Listener) error {
	l := newListener(ln, a.log)
	l.addresses.most = a.o.ConnectionsPerPeer
	if !a.listener.CompareAndSwap(nil, l) {
		return errors.New("streamer: an App serves once")
	}
	go a.releaseMemory(a.lifetime)
	return a.fiber.Server().Serve(l)
}

// Drain takes the node out of service: readiness turns red, streams are refused, and open streams are ended one by
// one over the time given, as hub.Drain says; then the App shuts down. ctx bounds the waiting, not the work.
func (a *App) Drain(ctx context.Context, over time.Duration) error {
	a.draining.Store(true)
	a.o.Hub.Drain(ctx, over)
	return a.Shutdown(ctx)
}

// Shutdown stops accepting, lets running requests end, and returns when they have or ctx ends. It does not touch
// streams, which belong to the hub.
func (a *App) Shutdown(ctx context.Context) error {
	a.draining.Store(true)
	defer a.end()
	return a.fiber.Server().ShutdownWithContext(ctx)
}

// Routes returns the routes that the App serves itself; mounted handlers have their own.
func (a *App) Routes() []Route { return a.routes }

func (a *App) route() {
	a.fiber.Use("/v1/", a.cors)
	a.get("/v1/stream", a.stream)
	a.get("/v1/poll", a.poll)
	a.get("/v1/ws", a.websocket)
	a.post("/v1/proxies/run", a.proxyOnce)
	a.post("/v1/proxies/:id/collect", a.proxyCollect)
	a.getAndPost("/v1/proxies/:id/stream", a.proxyStream)
	a.probe("/healthz", a.healthz)
	a.probe("/readyz", a.readyz)
	a.probe("/metrics", a.metrics)
	a.profiles = a.mount(http.HandlerFunc(serveProfile), 0)
	a.fiber.Get(profiles+"*", a.profile)
	a.routes = append(a.routes, Route{fiber.MethodGet, profiles + "{profile}"})
	a.assets()
	if a.o.Ingest != nil {
		a.fiber.All("/in/*", a.mount(a.o.Ingest, a.o.BodyLimit))
	} else {
		a.fiber.All("/in/*", wrongHost)
	}
	if a.o.API != nil {
		a.fiber.All("/v1/*", a.mount(a.o.API, a.o.BodyLimit))
	}
	if a.o.Pages != nil {
		a.fiber.All("/*", a.mount(a.o.Pages, a.o.BodyLimit))
	}
}

// wrongHost tells a provider that uses the streaming host's address which host takes webhooks.
func wrongHost(*fiber.Ctx) error {
	return tenants.Errorf(tenants.NotFound, "wrong_host",
		"this is the deployment's streaming host; webhooks go to its API host")
}

// get serves GET only. Fiber's Get serves HEAD by the same handler, and a HEAD that opens a stream would hold a slot
// that nobody reads from; here HEAD is answered with 405 and Allow, as every other method is.
func (a *App) get(path string, h fiber.Handler) { a.methods(path, h, fiber.MethodGet) }

// post serves POST only.
func (a *App) post(path string, h fiber.Handler) { a.methods(path, h, fiber.MethodPost) }

// getAndPost serves GET and POST.
func (a *App) getAndPost(path string, h fiber.Handler) {
	a.methods(path, h, fiber.MethodGet, fiber.MethodPost)
}

// methods serves the methods given and answers 405 to all others.
func (a *App) methods(path string, h fiber.Handler, methods ...string) {
	for _, method := range methods {
		a.fiber.Add(method, path, h)
		a.routes = append(a.routes, Route{method, strings.Replace(path, ":id", "{id}", 1)})
	}
	a.fiber.All(path, func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderAllow, strings.Join(methods, ", "))
		return fiber.ErrMethodNotAllowed
	})
}

// probe serves GET and HEAD; the response to HEAD has no body.
func (a *App) probe(path string, h fiber.Handler) {
	a.fiber.Get(path, h)
	a.fiber.All(path, func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderAllow, "GET, HEAD")
		return fiber.ErrMethodNotAllowed
	})
	a.routes = append(a.routes, Route{fiber.MethodGet, path})
}
