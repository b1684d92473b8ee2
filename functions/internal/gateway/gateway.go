// Package gateway serves net/http handlers behind API Gateway's HTTP APIs: it makes a request of an event in payload format 2.0, and
// an event's answer of what the handler wrote.
//
// The gateway has changed the request by the time it is here. Names of headers are lower case, and values of one name are joined by
// commas: they stay joined, since nobody can tell a comma that the gateway put from one that was sent. Bodies of text types
// are strings, and what is not UTF-8 in them is gone: such a request is refused, 400 body_not_utf8, because whoever signed it signed
// other bytes. Bodies of all other types come in base64, and are whole.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/hookcast/hookcast/functions/internal/batch"
	"github.com/hookcast/hookcast/functions/internal/note"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/problem"
)

// MaxPayload is the largest answer that Lambda takes of a function that is waited for, in bytes.
//
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const MaxPayload = 6 << 20

// Options are what a Handler stands on.
type Options struct {
	Handler http.Handler
	Logger  *slog.Logger
	// MaxBody is the largest body that is decoded, in bytes; what is larger is 413 body_too_large. The handler may take less.
	MaxBody int
	// Measure hears of each request; nil: nobody does.
	Measure func(values ...slog.Attr)
}

// Handler is a lambda.Handler. Its Invoke never fails: whatever comes, the client gets an answer.
type Handler struct{ o Options }

// New makes a Handler.
func New(o Options) *Handler {
	if o.Measure == nil {
		o.Measure = func(...slog.Attr) {}
	}
	return &Handler{o}
}

// Invoke fulfils lambda.Handler.
func (h *Handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	begin := time.Now()
	id := tenants.NewID(tenants.PrefixRequest)
	ctx, cancel := batch.Within(ctx) // what waits for a service that does not answer is told so, rather than the process ended
	defer cancel()
	ctx, notes := note.With(ctx)
	w := newResponse(id)
	r, gatewayID, err := h.request(ctx, payload)
	if err == nil {
		err = h.serve(w, r)
	}
	if err != nil {
		w = newResponse(id)
		h.fail(w, r, id, err)
	}
	answer, err := w.event()
	if err != nil {
		w = newResponse(id)
		h.fail(w, r, id, err)
		if answer, err = w.event(); err != nil {
			return nil, err // of a problem's few hundred bytes: cannot be
		}
	}
	took := time.Since(begin)
	faults := 0
	if w.status >= http.StatusInternalServerError {
		faults = 1
	}
	h.o.Measure(slog.Int("Requests", 1), slog.Int("Faults", faults), slog.Duration("Latency", took))
	// Neither path nor query: there are tokens in them.
	h.o.Logger.LogAttrs(ctx, slog.LevelInfo, "request", append([]slog.Attr{
		slog.String("request_id", w.sent.Get("Request-Id")), slog.String("gateway_request_id", gatewayID), slog.String("method", method(r)),
		slog.Int("status", w.status), slog.Int64("ms", took.Milliseconds()), slog.Int("bytes", w.body.Len()),
	}, notes.Attrs()...)...)
	return json.Marshal(answer)
}

// serve has the handler serve r. A panic is an error: the runtime would end the process, and whoever else's request it was to serve next
// would wait for a new one.
func (h *Handler) serve(w *response, r *http.Request) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = tenants.Errorf(tenants.Internal, "panic", "%w", fmt.Errorf("%v\n%s", cause, debug.Stack()))
		}
	}()
	h.o.Handler.ServeHTTP(w, r)
	return nil
}

// fail answers with err, whose request is nil where it could not be made out.
func (h *Handler) fail(w *response, r *http.Request, id string, err error) {
	if r == nil {
		r = &http.Request{Method: http.MethodPost}
	}
	w.header.Set("Cache-Control", "no-store")
	problem.Log(h.o.Logger, id, err)
	problem.Write(w, r, id, err)
}

func method(r *http.Request) string {
	if r == nil {
		return ""
	}
	return r.Method
}

// decode makes an event of the payload. What is no event in format 2.0 is a fault of the deployment's, not of the client's.
func decode(payload []byte) (events.APIGatewayV2HTTPRequest, error) {
	var e events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal(payload, &e); err != nil {
		return e, malformed("it is no JSON of an event")
	}
	switch {
	case e.Version != "2.0":
		return e, malformed("its format is not 2.0")
	case e.RequestContext.HTTP.Method == "" || e.RawPath == "":
		return e, malformed("it has no method or no path")
	}
	return e, nil
}

// malformed never quotes the event: there are credentials in it.
func malformed(why string) error {
	return tenants.Errorf(tenants.Internal, "event_malformed", "the gateway's event: %s", why)
}
