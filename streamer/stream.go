package streamer

import (
	"net/http"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/streamer/sse"
)

// stream serves GET /v1/stream.
func (a *App) stream(c *fiber.Ctx) error {
	ctx := c.Context()
	q, _, err := askOf(ctx)
	if err != nil {
		return a.refuse(ctx, q, err)
	}
	opened, place, err := a.subscribe(ctx, q, func(s *hub.Subscription) {
		s.Format, s.Transport, s.Head = q.format(), "sse", streamHead(ctx)
	})
	if err != nil {
		return a.refuse(ctx, q, err)
	}
	a.handOver(ctx, opened, place)
	return nil
}

func (q ask) format() sse.Format {
	switch {
	case q.cloudEvents && q.typesOff:
		return sse.CloudEventsUntyped
	case q.cloudEvents:
		return sse.CloudEvents
	case q.typesOff:
		return sse.Envelope
	}
	return sse.Data
}

// streamHeaders are those of every stream. The body ends where the connection does, which is one form for HTTP/1.0, HTTP/1.1 and a
// load balancer that speaks HTTP/2 in front.
var streamHeaders = [...]struct{ name, value string }{
	{fasthttp.HeaderContentType, "text/event-stream; charset=utf-8"},
	{fasthttp.HeaderCacheControl, "no-store, no-transform"},
	{"X-Accel-Buffering", "no"}, // nginx: pass it on as it comes
	{"X-Content-Type-Options", "nosniff"},
	{fasthttp.HeaderReferrerPolicy, "no-referrer"}, // the address may hold a token
	{fasthttp.HeaderConnection, "close"},
}

// streamHead is a stream's response head. It is written by the hub, since fasthttp writes none for a connection that is taken
// over; so what middleware has set (CORS) is copied from the answer that never goes out.
func streamHead(ctx *fasthttp.RequestCtx) []byte {
	return responseHead(ctx, http.StatusOK, func(h *fasthttp.ResponseHeader) {
		for _, line := range streamHeaders {
			h.Set(line.name, line.value)
		}
	})
}

// responseHead writes a head with the headers that the answer has so far and those that set adds.
func responseHead(ctx *fasthttp.RequestCtx, status int, set func(*fasthttp.ResponseHeader)) []byte {
	var h fasthttp.ResponseHeader
	ctx.Response.Header.CopyTo(&h)
	h.SetStatusCode(status)
	h.Set(headerRequestID, requestID(ctx))
	set(&h)
	return append([]byte(nil), h.Header()...)
}
