package streamer

import (
	"net/http"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/streamer/sse"
)

// stream serves GET /v1/stream, as server-sent events or as lines, whichever Accept prefers.
func (a *App) stream(c *fiber.Ctx) error {
	ctx := c.Context()
	q, _, err := parseRequest(ctx)
	if err == nil {
		err = q.checkOriginal(!q.lines)
	}
	if err != nil {
		return a.refuse(ctx, q, err)
	}
	transport := q.asEvents
	if q.lines {
		transport = q.asLines
	}
	opened, place, err := a.subscribe(ctx, q, func(s *hub.Subscription) { transport(ctx, s) })
	if err != nil {
		return a.refuse(ctx, q, err)
	}
	a.handOver(ctx, opened, place)
	return nil
}

// asEvents makes a subscription one of server-sent events.
func (q streamRequest) asEvents(ctx *fasthttp.RequestCtx, s *hub.Subscription) {
	s.Transport, s.Format = "sse", q.format()
	s.Head = streamHead(ctx, func(h *fasthttp.ResponseHeader) { h.SetContentType(eventStream) })
}

const eventStream = "text/event-stream; charset=utf-8"

func (q streamRequest) format() sse.Format {
	switch {
	case q.original:
		return sse.Original
	case q.cloudEvents && q.typesOff:
		return sse.CloudEventsUntyped
	case q.cloudEvents:
		return sse.CloudEvents
	case q.typesOff:
		return sse.Envelope
	}
	return sse.Data
}

// streamHeaders are the headers of every stream. The body ends with the connection, which suits HTTP/1.0, HTTP/1.1
// and a load balancer in front that speaks HTTP/2.
var streamHeaders = [...]struct{ name, value string }{
	{fasthttp.HeaderCacheControl, "no-store, no-transform"},
	{"X-Accel-Buffering", "no"}, // nginx: do not buffer
	{"X-Content-Type-Options", "nosniff"},
	{fasthttp.HeaderReferrerPolicy, "no-referrer"}, // the address may hold a token
	{fasthttp.HeaderConnection, "close"},
}

// streamHead returns a stream's response head. The hub writes it, because fasthttp writes none for a hijacked
// connection; so headers that middleware has set (CORS) are copied from the response that is never sent.
func streamHead(ctx *fasthttp.RequestCtx, set func(*fasthttp.ResponseHeader)) []byte {
	return responseHead(ctx, http.StatusOK, func(h *fasthttp.ResponseHeader) {
		for _, line := range streamHeaders {
			h.Set(line.name, line.value)
		}
		set(h)
	})
}

// responseHead returns a head with the headers that the response has so far and those that set adds.
func responseHead(ctx *fasthttp.RequestCtx, status int, set func(*fasthttp.ResponseHeader)) []byte {
	var h fasthttp.ResponseHeader
	ctx.Response.Header.CopyTo(&h)
	h.SetStatusCode(status)
	h.Set(headerRequestID, requestID(ctx))
	set(&h)
	return append([]byte(nil), h.Header()...)
}
