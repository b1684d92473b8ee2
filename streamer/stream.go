package streamer

import (
	"net/http"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/streamer/sse"
)

// stream serves GET /v1/stream, as events or, to who prefers that, as lines.
func (a *App) stream(c *fiber.Ctx) error {
	ctx := c.Context()
	q, _, err := askOf(ctx)
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
func (q ask) asEvents(ctx *fasthttp.RequestCtx, s *hub.Subscription) {
	s.Transport, s.Format = "sse", q.format()
	s.Head = streamHead(ctx, func(h *fasthttp.ResponseHeader) { h.SetContentType(eventStream) })
}

const eventStream = "text/event-stream; charset=utf-8"

func (q ask) format() sse.Format {
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

// streamHeaders are those of every stream. A body of events ends where the connection does, which is one form for HTTP/1.0, HTTP/1.1 and a
// load balancer that speaks HTTP/2 in front.
var streamHeaders = [...]struct{ name, value string }{
	{fasthttp.HeaderCacheControl, "no-store, no-transform"},
	{"X-Accel-Buffering", "no"}, // nginx: pass it on as it comes
	{"X-Content-Type-Options", "nosniff"},
	{fasthttp.HeaderReferrerPolicy, "no-referrer"}, // the address may hold a token
	{fasthttp.HeaderConnection, "close"},
}

// streamHead is a stream's response head. It is written by the hub, since fasthttp writes none for a connection that is taken
// over; so what middleware has set (CORS) is copied from the answer that never goes out.
func streamHead(ctx *fasthttp.RequestCtx, set func(*fasthttp.ResponseHeader)) []byte {
	return responseHead(ctx, http.StatusOK, func(h *fasthttp.ResponseHeader) {
		for _, line := range streamHeaders {
			h.Set(line.name, line.value)
		}
		set(h)
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
