package streamer

import (
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/hookcast/hookcast/tenants"
	"github.com/valyala/fasthttp"
)

// A preflight (Fetch Standard, 4.8) carries no credential, so the tenant is unknown: the answer allows any origin,
// and never credentials of the browser (cookies), which are not used here. admitOrigin compares the origin of the
// request itself with the tenant's list.

const (
	corsMethods = "GET, HEAD, POST, PUT, PATCH, DELETE"
	corsHeaders = "Authorization, Content-Type, Idempotency-Key, If-Match, Last-Event-ID"
	corsExposed = "ETag, Request-Id, Retry-After, Idempotent-Replayed"
	corsMaxAge  = "600"
)

// cors is middleware for the paths under /v1.
func (a *App) cors(c *fiber.Ctx) error {
	ctx := c.Context()
	origin := string(ctx.Request.Header.Peek(fasthttp.HeaderOrigin))
	ctx.Response.Header.Set(fasthttp.HeaderVary, "Origin")
	if origin == "" {
		return c.Next()
	}
	allowOrigin(&ctx.Response.Header, origin)
	if c.Method() != fiber.MethodOptions ||
		len(ctx.Request.Header.Peek(fasthttp.HeaderAccessControlRequestMethod)) == 0 {
		return c.Next()
	}
	h := &ctx.Response.Header
	h.Set(fasthttp.HeaderVary, "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
	h.Set(fasthttp.HeaderAccessControlAllowMethods, corsMethods)
	h.Set(fasthttp.HeaderAccessControlAllowHeaders, corsHeaders)
	h.Set(fasthttp.HeaderAccessControlMaxAge, corsMaxAge)
	ctx.SetStatusCode(fasthttp.StatusNoContent)
	return nil
}

func allowOrigin(h *fasthttp.ResponseHeader, origin string) {
	h.Set(fasthttp.HeaderAccessControlAllowOrigin, origin)
	h.Set(fasthttp.HeaderAccessControlExposeHeaders, corsExposed)
}

// corsAnswer holds the headers that say who may read a response; they survive when the rest of it is rewritten.
type corsAnswer struct{ origin, vary string }

func corsOf(h *fasthttp.ResponseHeader) corsAnswer {
	return corsAnswer{string(h.Peek(fasthttp.HeaderAccessControlAllowOrigin)), string(h.Peek(fasthttp.HeaderVary))}
}

func (c corsAnswer) restore(h *fasthttp.ResponseHeader) {
	if c.vary != "" {
		h.Set(fasthttp.HeaderVary, c.vary)
	}
	if c.origin != "" {
		allowOrigin(h, c.origin)
	}
}

// admitOrigin checks the request's Origin against the tenant's list. A page whose origin is not on the list must not
// read the reason.
func admitOrigin(ctx *fasthttp.RequestCtx, t tenants.Tenant) error {
	origin := string(ctx.Request.Header.Peek(fasthttp.HeaderOrigin))
	if t.AllowsOrigin(origin) {
		return nil
	}
	ctx.Response.Header.Del(fasthttp.HeaderAccessControlAllowOrigin)
	ctx.Response.Header.Del(fasthttp.HeaderAccessControlExposeHeaders)
	return errOrigin
}

var errOrigin = tenants.Errorf(tenants.Forbidden, "origin_not_allowed",
	"the page's origin must be on the tenant's list of allowed origins")

// clientIP returns the address that a limit per address counts: the peer's, or with hops trusted proxies in front,
// each of which appends its caller to X-Forwarded-For, the hops-th entry from the right. Entries further left are
// unverified claims of the client.
func clientIP(ctx *fasthttp.RequestCtx, hops int) string {
	peer := ctx.RemoteIP().String()
	if hops == 0 {
		return peer
	}
	var chain []string
	for _, line := range ctx.Request.Header.PeekAll(fasthttp.HeaderXForwardedFor) {
		chain = append(chain, strings.Split(string(line), ",")...)
	}
	if len(chain) < hops {
		return peer
	}
	return strings.TrimSpace(chain[len(chain)-hops])
}
