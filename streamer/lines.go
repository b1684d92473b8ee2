package streamer

import (
	"github.com/valyala/fasthttp"

	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/streamer/ndjson"
)

// asLines makes a subscription one of JSON objects, one per line. HTTP/1.1 gets them in chunks, so that a client can
// tell a stream that ended from one that broke; an HTTP/1.0 stream ends with its connection.
func (q streamRequest) asLines(ctx *fasthttp.RequestCtx, s *hub.Subscription) {
	chunked := ctx.Request.Header.IsHTTP11()
	s.Transport, s.Format = "ndjson", ndjson.Format{CloudEvents: q.cloudEvents, Chunked: chunked}
	s.Head = streamHead(ctx, func(h *fasthttp.ResponseHeader) {
		h.SetContentType(ndjson.ContentType)
		if chunked {
			h.SetContentLength(-1)
		}
	})
}
