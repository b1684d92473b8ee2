// Package gateway serves net/http handlers behind API Gateway's HTTP APIs. It converts an event in payload format 2.0
// to a request, and the handler's response to the gateway's form.
//
// The gateway changes requests. Names of headers are lower case, and values of one name are joined by commas. They
// stay joined, because a comma of the gateway looks the same as one that was sent. Bodies of text types are strings
// in which bytes that are not UTF-8 are lost. Such a request is refused with 400 body_not_utf8, because a signature
// would cover other bytes. Bodies of other types are in base64 and complete.
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

// MaxPayload is the largest response of a synchronously invoked function that Lambda accepts, in bytes.
//
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const MaxPayload = 6 << 20

// Options are a Handler's dependencies and limits.
type Options struct {
	Handler http.Handler
	Logger  *slog.Logger
	// MaxBody is the largest body that is decoded, in bytes; larger ones get 413 body_too_large. The handler may have
	// a lower limit.
	MaxBody int
	// Measure is called for each request. It may be nil.
	Measure func(values ...slog.Attr)
}

// Handler implements lambda.Handler.
type Handler struct{ o Options }

// New returns a Handler.
func New(o Options) *Handler {
	if o.Measure == nil {
		o.Measure = func(...slog.Attr) {}
	}
	return &Handler{o}
}

// Invoke implements lambda.Handler. The client gets a response for every payload.
func (h *Handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	begin := time.Now()
	id := tenants.NewID(tenants.PrefixRequest)
	ctx, cancel := batch.Within(ctx) // a handler that waits for a service must end before Lambda ends the process
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
			return nil, err // cannot happen: a problem has a few hundred bytes
		}
	}
	took := time.Since(begin)
	faults := 0
	if w.status >= http.StatusInternalServerError {
		faults = 1
	}
	h.o.Measure(slog.Int("Requests", 1), slog.Int("Faults", faults), slog.Duration("Latency", took))
	// Path and query are not logged because they may contain tokens.
	h.o.Logger.LogAttrs(ctx, slog.LevelInfo, "request", append([]slog.Attr{
		slog.String("request_id", w.sent.Get("Request-Id")), slog.String("gateway_request_id", gatewayID),
		slog.String("method", method(r)),
		slog.Int("status", w.status), slog.Int64("ms", took.Milliseconds()), slog.Int("bytes", w.body.Len()),
	}, notes.Attrs()...)...)
	return json.Marshal(answer)
}

// serve calls the handler and converts a panic to an error. Otherwise the runtime would end the process, and the next
// request would wait for a new one.
func (h *Handler) serve(w *response, r *http.Request) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = tenants.Errorf(tenants.Internal, "panic", "%w", fmt.Errorf("%v\n%s", cause, debug.Stack()))
		}
	}()
	h.o.Handler.ServeHTTP(w, r)
	return nil
}

// fail writes err as the response to r, which is nil if the event could not be decoded.
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

// decode decodes the payload. A payload that is not an event in format 2.0 is a fault of the deployment, not of the
// client.
func decode(payload []byte) (events.APIGatewayV2HTTPRequest, error) {
	var e events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal(payload, &e); err != nil {
		return e, malformed("it is not valid JSON of an event")
	}
	switch {
	case e.Version != "2.0":
		return e, malformed("its format must be 2.0")
	case e.RequestContext.HTTP.Method == "" || e.RawPath == "":
		return e, malformed("it has no method or no path")
	}
	return e, nil
}

// malformed returns the error for an event that cannot be used. why must not quote the event, which may contain
// credentials.
func malformed(why string) error {
	return tenants.Errorf(tenants.Internal, "event_malformed", "the gateway's event is malformed: %s", why)
}
