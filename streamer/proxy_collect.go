package streamer

import (
	"net/http"

	"github.com/valyala/fasthttp"

	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/streamer/relay"
	"github.com/hookcast/hookcast/tenants/api"
)

// openCollection opens the upstream; the connection waits for all of it.
func (a *App) openCollection(ctx *fasthttp.RequestCtx, q streamRequest, in *proxyCaller) error {
	c, err := a.o.Relay.Collect(in.within, in.principal.Tenant, in.call, in.tenant.Limits().EventBytes)
	if err != nil {
		return err
	}
	sub := in.subscription(c.Channel, 0, c.Left)
	sub.Transport = "collect"
	sub.Poll = &hub.Poll{Wait: c.Patience(), Max: 1, Respond: a.collected(ctx, c)}
	return a.serveUpstream(ctx, q, in, sub, c.Abandon, func(*hub.Conn) { c.Begin() })
}

// collected returns a function that writes the answer to a collection.
func (a *App) collected(ctx *fasthttp.RequestCtx, c *relay.Collection) func(hub.Result) []byte {
	id, lines := requestID(ctx), headerLines(ctx)
	return func(r hub.Result) []byte {
		if r.Err != nil {
			return a.problemAnswer(id, lines, r.Err)
		}
		return pollAnswer(http.StatusOK, jsonHeader, lines, api.CollectedBody(collectedEvents(c)))
	}
}

func collectedEvents(c *relay.Collection) api.Collected {
	r := c.Result()
	out := api.Collected{Ended: r.End, Code: r.Code, ClientDisconnected: r.ClientDisconnected}
	for _, e := range r.Events {
		out.Data = append(out.Data, api.CollectedEvent{Type: e.Name, Data: e.Data, ID: e.ID})
	}
	return out
}
