package streamer

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/problem"
	"github.com/valyala/fasthttp"
)

// How a client is refused a stream depends on the client. A native EventSource never reconnects after a status other
// than 200, shows its page neither status nor body, and stops only at 204 (HTML Living Standard, 9.2.3). So a client
// that names text/event-stream in Accept gets 200 and a stream of one frame: hookcast.quota with a retry time if
// retrying can help, otherwise hookcast.denied or hookcast.expired with an id that is answered with 204 when it comes
// back. All other clients get the problem. So does a page whose origin is not allowed, which must not read either.

// Bounds of the retry time of a refused client. It is random, so that clients refused together do not come back
// together, and short if another node may take the client at once.
const (
	retryQuotaMin, retryQuotaMax = 3 * time.Second, 10 * time.Second
	retryNodeMin, retryNodeMax   = 1 * time.Second, 5 * time.Second
)

// refuse answers a request for a stream with err.
func (a *App) refuse(ctx *fasthttp.RequestCtx, q streamRequest, err error) error {
	if errors.Is(err, errStopped) {
		return stopped(ctx)
	}
	if !q.events || errors.Is(err, errOrigin) {
		return err
	}
	problem.Log(a.log, requestID(ctx), err)
	f := refusalFrame(err)
	h := &ctx.Response.Header
	for _, line := range streamHeaders {
		h.Set(line.name, line.value)
	}
	h.SetContentType(eventStream)
	ctx.SetStatusCode(http.StatusOK)
	ctx.SetBody(sse.AppendFrame(nil, f))
	a.hangUp(ctx)
	return nil
}

// refusalFrame returns the only frame of a refusal.
func refusalFrame(err error) sse.Frame {
	data := struct {
		Code   string `json:"code"`
		Detail string `json:"detail"`
	}{tenants.CodeOf(err), ""}
	_, _, body := problem.Body(err, "")
	_ = json.Unmarshal(body, &data) // the texts are chosen in one place
	f := sse.Frame{}
	e, _ := errors.AsType[*tenants.Error](err)
	switch kind := tenants.KindOf(err); {
	case kind == tenants.BadGateway && e.RetryAfter > 0:
		f.Name, f.Retry = sse.Quota, max(e.RetryAfter, retryBetween(retryQuotaMin, retryQuotaMax))
	case kind == tenants.TooMany:
		f.Name, f.Retry = sse.Quota, retryBetween(retryQuotaMin, retryQuotaMax)
	case kind == tenants.Unavailable, kind == tenants.Internal, kind == tenants.Timeout:
		f.Name, f.Retry = sse.Quota, retryBetween(retryNodeMin, retryNodeMax)
	default:
		f.Name, f.ID = sse.Denied, sse.Stop
		if data.Code == "token_expired" {
			f.Name = sse.Expired
		}
	}
	f.Data, _ = json.Marshal(data)
	return f
}

func retryBetween(low, high time.Duration) time.Duration {
	return low + rand.N(high-low)
}

// stopped answers a client that brings back the cursor of a finished stream.
func stopped(ctx *fasthttp.RequestCtx) error {
	ctx.Response.Header.Set(fasthttp.HeaderCacheControl, "no-store")
	ctx.SetStatusCode(http.StatusNoContent)
	return nil
}
