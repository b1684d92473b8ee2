package streamer

import (
	"github.com/valyala/fasthttp"

	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/streamer/ndjson"
)

// asLines makes a subscription one of JSON objects, a line each. To HTTP/1.1 they go in chunks, so that a client knows a stream that has
// ended from one that broke; to HTTP/1.0, which has none, they end where the connection does.
func (q ask) asLines(ctx *fasthttp.RequestCtx, s *hub.Subscription) {
	chunked := ctx.Request.Header.IsHTTP11()
	s.Transport, s.Format = "ndjson", ndjson.Format{CloudEvents: q.cloudEvents, Chunked: chunked}
	s.Head = streamHead(ctx, func(h *fasthttp.ResponseHeader) {
		h.SetContentType(ndjson.ContentType)
		if chunked {
			h.SetContentLength(-1)
		}
	})
}
