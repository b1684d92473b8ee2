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

// Options is what an App stands on. All are required but those that say what their zero value means.
type Options struct {
	Hub       *hub.Hub
	Accounts  *account.Accounts
	Keys      *account.Keys
	Tokens    *token.Tokens
	Gate      *access.Gate
	Admission *quota.Admission

	// Proxies and Relay run somebody else's event streams; nil: there are none.
	Proxies *proxy.Proxies
	Relay   *relay.Relay

	API     http.Handler // what it serves is under /v1; nil: not served here
	Ingest  http.Handler // /in/…; nil: another host's
	Pages   http.Handler // every other path; nil: not found
	OpenAPI []byte       // /openapi.yaml

	Logger  *slog.Logger    // nil: discards
	Ready   func() error    // nil: ready whenever the App itself is
	Metrics func() []Metric // further ones for /metrics; nil: none
	Tracer  *trace.Tracer   // the Hub's, for /metrics; nil: nothing is traced

	TrustedHops int // proxies in front that append to X-Forwarded-For
	// ConnectionsPerPeer is how many connections one address may have with the server, streams apart; 0: any number, as behind a balancer, whose own address
	// is everybody's. One too many is closed.
	ConnectionsPerPeer int
	BodyLimit          int64         // bytes of a request's body; 0: 1 MiB and 64 KiB. Handlers may take less
	ReadTimeout        time.Duration // for a whole request to arrive, and for one to begin on a new connection; 0: 15 s
}

const (
	defaultBodyLimit   = 1<<20 + 64<<10
	defaultReadTimeout = 15 * time.Second
	idleTimeout        = 75 * time.Second // between requests; longer than a load balancer's own 60 s, so that it is the one to close
	writeTimeout       = 30 * time.Second // for an answer to leave; streams have the hub's own bounds
	headerBytes        = 32 << 10         // request line and headers; 50 channels with long names fit
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
	handedOver atomic.Int64 // connections that left the server for the hub
	requests   requestCounter
	lifetime   context.Context // of mounted handlers' requests: ends when the App has shut down
	end        context.CancelFunc
}

// Route is a method and a path that an App serves itself, beside what is mounted on it. A path that ends in * is a prefix.
type Route struct{ Method, Path string }

// New makes an App. It serves once Serve is called.
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
		StrictRouting:         true, // paths are compared as they were sent: no case folding, no unescaping, no slash trimming
		CaseSensitive:         true,
		UnescapePath:          false,
		// Bodies are read as a handler asks for them. Else fasthttp takes the memory that Content-Length claims before a byte of it has come.
		StreamRequestBody:            true,
		DisablePreParseMultipartForm: true, // a webhook's signature covers the bytes as they are
		BodyLimit:                    1,    // how much of it fasthttp waits for before it calls the handler; the limit is mount's
		ReadBufferSize:               headerBytes,
		ReadTimeout:                  o.ReadTimeout,
		WriteTimeout:                 writeTimeout,
		IdleTimeout:                  idleTimeout,
		ReduceMemoryUsage:            true, // a connection that has sent nothing holds no buffer
		DisableDefaultContentType:    true,
	})
	a.route()
	server := a.fiber.Server()
	server.Handler = a.around(a.fiber.Handler())
	server.ErrorHandler = a.readError
	server.ExpectHandler = a.expect
	server.KeepHijackedConns = true
	server.MaxIdleWorkerDuration = workerIdle
	server.SecureErrorLogMessage = true // else a malformed header is quoted in full, API key included
	return a
}

// Serve accepts connections from ln until Drain or Shutdown, and owns ln from here on. nil after either.
func (a *App) Serve(ln net.Listener) error {
	l := newListener(ln, a.log)
	l.peers.most = a.o.ConnectionsPerPeer
	if !a.listener.CompareAndSwap(nil, l) {
		return errors.New("streamer: an App serves once")
	}
	go a.giveBack(a.lifetime)
	return a.fiber.Server().Serve(l)
}

// Drain takes the node out of service: readiness turns red, streams are refused, and those in place are sent away one after the other
// over the time given, as hub.Drain says; then the App shuts down. ctx ends the waiting, not the work.
func (a *App) Drain(ctx context.Context, over time.Duration) error {
	a.draining.Store(true)
	a.o.Hub.Drain(ctx, over)
	return a.Shutdown(ctx)
}

// Shutdown stops accepting, lets running requests end, and returns when they have or ctx is over. Streams are the hub's: it does not
// touch them.
func (a *App) Shutdown(ctx context.Context) error {
	a.draining.Store(true)
	defer a.end()
	return a.fiber.Server().ShutdownWithContext(ctx)
}

// Routes are the routes that the App serves itself; mounted handlers have their own.
func (a *App) Routes() []Route { return a.routes }

func (a *App) route() {
	a.fiber.Use("/v1/", a.cors)
	a.get("/v1/stream", a.stream)
	a.get("/v1/poll", a.poll)
	a.get("/v1/ws", a.websocket)
	a.post("/v1/proxies/run", a.proxyOnce)
	a.post("/v1/proxies/:id/collect", a.proxyCollect)
	a.both("/v1/proxies/:id/stream", a.proxyStream)
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

// wrongHost tells a provider that was given the streaming host's address where its webhooks belong.
func wrongHost(*fiber.Ctx) error {
	return tenants.Errorf(tenants.NotFound, "wrong_host", "webhooks are taken in by this deployment's API host, this is its streaming host")
}

// get serves GET alone. Fiber's own Get serves HEAD by the same handler, and a HEAD that opens a stream holds a slot that nobody reads
// from; here it is 405 with Allow, as every other method is.
func (a *App) get(path string, h fiber.Handler) { a.some(path, h, fiber.MethodGet) }

// post serves POST alone.
func (a *App) post(path string, h fiber.Handler) { a.some(path, h, fiber.MethodPost) }

// both serves GET and POST.
func (a *App) both(path string, h fiber.Handler) { a.some(path, h, fiber.MethodGet, fiber.MethodPost) }

// some serves the methods given and answers 405 to all others.
func (a *App) some(path string, h fiber.Handler, methods ...string) {
	for _, method := range methods {
		a.fiber.Add(method, path, h)
		a.routes = append(a.routes, Route{method, strings.Replace(path, ":id", "{id}", 1)})
	}
	a.fiber.All(path, func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderAllow, strings.Join(methods, ", "))
		return fiber.ErrMethodNotAllowed
	})
}

// probe serves GET and HEAD, of which the second has no body.
func (a *App) probe(path string, h fiber.Handler) {
	a.fiber.Get(path, h)
	a.fiber.All(path, func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderAllow, "GET, HEAD")
		return fiber.ErrMethodNotAllowed
	})
	a.routes = append(a.routes, Route{fiber.MethodGet, path})
}
