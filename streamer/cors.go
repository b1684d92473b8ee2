package streamer

import (
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/hookcast/hookcast/tenants"
	"github.com/valyala/fasthttp"
)

// Browsers. A preflight (Fetch Standard, 4.8) carries no credential, so it cannot know the tenant: it echoes any origin, and never allows
// credentials of the browser's own (cookies), of which there are none. The tenant's list of origins is held against the request
// itself, by admitOrigin.

const (
	corsMethods = "GET, HEAD, POST, PUT, PATCH, DELETE"
	corsHeaders = "Authorization, Content-Type, Idempotency-Key, If-Match, Last-Event-ID"
	corsExposed = "ETag, Request-Id, Retry-After, Idempotent-Replayed"
	corsMaxAge  = "600"
)

// cors is middleware of the paths under /v1.
func (a *App) cors(c *fiber.Ctx) error {
	ctx := c.Context()
	origin := string(ctx.Request.Header.Peek(fasthttp.HeaderOrigin))
	ctx.Response.Header.Set(fasthttp.HeaderVary, "Origin")
	if origin == "" {
		return c.Next()
	}
	allowOrigin(&ctx.Response.Header, origin)
	if c.Method() != fiber.MethodOptions || len(ctx.Request.Header.Peek(fasthttp.HeaderAccessControlRequestMethod)) == 0 {
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

// corsHeadersOf are the headers of an answer that say who may read it: they stay when the rest is written anew.
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

// admitOrigin holds the request's Origin against the tenant's list. A page that is not admitted may not read why.
func admitOrigin(ctx *fasthttp.RequestCtx, t tenants.Tenant) error {
	origin := string(ctx.Request.Header.Peek(fasthttp.HeaderOrigin))
	if t.AllowsOrigin(origin) {
		return nil
	}
	ctx.Response.Header.Del(fasthttp.HeaderAccessControlAllowOrigin)
	ctx.Response.Header.Del(fasthttp.HeaderAccessControlExposeHeaders)
	return errOrigin
}

var errOrigin = &tenants.Error{Kind: tenants.Forbidden, Code: "origin_not_allowed", Detail: "This page's origin is not on the tenant's list."}

// clientIP is the address that a limit per address counts: the peer's, or behind hops trusted proxies, each of which appends who
// called it to X-Forwarded-For, the hops-th from the right. What stands further left is the client's own word.
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
