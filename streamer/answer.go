package streamer

import (
	"errors"
	"log/slog"
	"net"
	"runtime/debug"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/problem"
	"github.com/valyala/fasthttp"
)

const headerRequestID = "Request-Id"

// The keys of a request's own values in fasthttp's context.
type (
	requestIDKey struct{}
	tenantKey    struct{}
	bodyReadKey  struct{} // set once the body has been read to its end
)

func requestID(ctx *fasthttp.RequestCtx) string {
	id, _ := ctx.UserValue(requestIDKey{}).(string)
	return id
}

// wrap is the outermost layer of every request. It gives the request its id, refuses ambiguous framing, keeps a panic
// from ending the process, and writes the access log. It wraps Fiber, because Fiber answers some requests without
// calling its middleware.
func (a *App) wrap(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		began := time.Now()
		ctx.SetUserValue(requestIDKey{}, tenants.NewID(tenants.PrefixRequest))
		defer func() {
			if v := recover(); v != nil {
				a.log.Error("panic in a request handler",
					"request_id", requestID(ctx), "panic", v, "stack", string(debug.Stack()))
				ctx.Hijack(nil)
				a.fail(ctx, tenants.Errorf(tenants.Internal, "internal", "panic"))
				a.hangUp(ctx)
			}
			a.finish(ctx, began)
		}()
		if err := checkFraming(&ctx.Request.Header); err != nil {
			a.fail(ctx, err)
			a.hangUp(ctx)
			return
		}
		if loggedMethod(ctx.Method()) == "-" {
			ctx.Response.Header.Set(fasthttp.HeaderAllow, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
			a.fail(ctx, &tenants.Error{Kind: tenants.MethodNotAllowed})
			return
		}
		next(ctx)
	}
}

// finish completes the response's headers and writes the access log.
func (a *App) finish(ctx *fasthttp.RequestCtx, began time.Time) {
	id := requestID(ctx)
	h := &ctx.Response.Header
	if own := h.Peek(headerRequestID); len(own) > 0 {
		id = string(own) // a mounted handler has set it and may have used it in its body
	} else {
		h.Set(headerRequestID, id)
	}
	// fasthttp does not skip the rest of a body; it would be read as the next request.
	if ctx.Response.ConnectionClose() || ctx.RequestBodyStream() != nil && ctx.UserValue(bodyReadKey{}) == nil {
		a.hangUp(ctx)
	}
	tenant, _ := ctx.UserValue(tenantKey{}).(tenants.TenantID)
	a.requests.count(ctx.Response.StatusCode())
	level := slog.LevelInfo
	if isProbe(ctx.Request.Header.RequestURI()) {
		level = slog.LevelDebug
	}
	bytes := -1 // unknown: the body is made while it is sent
	if !ctx.Response.IsBodyStream() {
		bytes = len(ctx.Response.Body())
	}
	a.log.Log(ctx, level, "request", "method", loggedMethod(ctx.Method()),
		"path", loggedPath(ctx.Request.Header.RequestURI()),
		"status", ctx.Response.StatusCode(), "bytes", bytes, "duration", time.Since(began), "tenant", string(tenant),
		"request_id", id)
}

// keptHeaders are the headers by which a route adds to the problem of an error.
var keptHeaders = [...]string{
	fasthttp.HeaderAllow, fasthttp.HeaderConnection, fasthttp.HeaderUpgrade, "Sec-WebSocket-Version",
}

// fail answers with problem+json and logs the parts of err that the answer leaves out.
func (a *App) fail(ctx *fasthttp.RequestCtx, err error) {
	id := requestID(ctx)
	status, header, body := problem.Body(err, id)
	problem.Log(a.log, id, err)
	kept := make(map[string]string, len(keptHeaders))
	for _, name := range keptHeaders {
		if value := ctx.Response.Header.Peek(name); len(value) > 0 {
			kept[name] = string(value)
		}
	}
	cors := corsOf(&ctx.Response.Header)
	ctx.Response.Reset()
	cors.restore(&ctx.Response.Header)
	for name, value := range kept {
		ctx.Response.Header.Set(name, value)
	}
	for name, value := range header {
		ctx.Response.Header.Set(name, value)
	}
	ctx.Response.Header.Set("X-Content-Type-Options", "nosniff")
	ctx.Response.Header.Set("Cache-Control", "no-store")
	ctx.SetStatusCode(status)
	ctx.SetBody(body)
}

// hangUp closes the connection after the response, in a way that lets the response arrive.
func (a *App) hangUp(ctx *fasthttp.RequestCtx) {
	ctx.SetConnectionClose()
	if c, ok := ctx.Conn().(*conn); ok {
		c.linger = true
	}
}

// routeError is Fiber's error handler. It gets a route's own error, or Fiber's error for a route that does not exist.
func (a *App) routeError(c *fiber.Ctx, err error) error {
	if e, ok := errors.AsType[*fiber.Error](err); ok {
		switch e.Code {
		case fiber.StatusMethodNotAllowed:
			err = &tenants.Error{Kind: tenants.MethodNotAllowed}
		case fiber.StatusNotFound:
			err = &tenants.Error{Kind: tenants.NotFound}
		}
	}
	a.fail(c.Context(), err)
	return nil
}

// readError is fasthttp's error handler, for requests that never reach a handler. It neither shows nor logs err:
// fasthttp's errors quote the input that they could not parse.
func (a *App) readError(ctx *fasthttp.RequestCtx, err error) {
	netErr, isNet := errors.AsType[net.Error](err)
	_, small := errors.AsType[*fasthttp.ErrSmallBuffer](err)
	ctx.Request.Header.SetMethod("-")
	ctx.Request.Header.SetRequestURI("/")
	switch {
	case small:
		a.refuseUnread(ctx, &tenants.Error{Kind: tenants.HeadersTooLarge})
	case isNet && netErr.Timeout():
		a.refuseUnread(ctx, &tenants.Error{Kind: tenants.Timeout})
	default:
		a.refuseUnread(ctx, malformed("malformed_request", "the request must be well-formed HTTP/1.1"))
	}
}

// refuseUnread answers a request that no handler will see.
func (a *App) refuseUnread(ctx *fasthttp.RequestCtx, err error) {
	began := time.Now()
	ctx.SetUserValue(requestIDKey{}, tenants.NewID(tenants.PrefixRequest))
	a.fail(ctx, err)
	a.hangUp(ctx)
	a.finish(ctx, began)
}
