package streamer

import (
	"context"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/streamer/relay"
	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
	"github.com/hookcast/hookcast/tenants/api"
	"github.com/hookcast/hookcast/tenants/hidden"
	"github.com/hookcast/hookcast/tenants/proxy"
	"github.com/hookcast/hookcast/tenants/quota"
	"github.com/valyala/fasthttp"
)

// A proxy's stream and its collection are served like every stream: the caller is admitted, the upstream opened, and the connection handed
// to the hub. Nobody's upstream is opened who may not have it, and none is left open behind a connection that came to nothing.

// openingTime bounds how long it may take to open an upstream: its own bound on the first byte, a redirect or two, and us.
const openingTime = 330 * time.Second

const maxRunBody = 256 << 10

// proxyStream serves /v1/proxies/{id}/stream.
func (a *App) proxyStream(c *fiber.Ctx) error {
	ctx := c.Context()
	q, values, err := askWithout(ctx)
	if err != nil {
		return a.refuse(ctx, q, err)
	}
	id := strings.Clone(c.Params("id"))
	given, err := a.parameters(ctx, values)
	if err != nil {
		return a.refuse(ctx, q, err)
	}
	in, err := a.admitProxy(ctx, q, access.Proxy(id), access.Subscribe)
	if err != nil {
		return a.refuse(ctx, q, err)
	}
	if in.call, err = a.o.Proxies.Call(in.within, in.who.Tenant, id, given); err == nil {
		err = a.openProxyStream(ctx, q, in)
	}
	if err != nil {
		in.end()
		return a.refuse(ctx, q, err)
	}
	return nil
}

// proxyCollect serves /v1/proxies/{id}/collect.
func (a *App) proxyCollect(c *fiber.Ctx) error {
	ctx := c.Context()
	q, values, err := askWithout(ctx)
	if err != nil {
		return err
	}
	q.events = false // the answer is JSON whatever Accept says
	id := strings.Clone(c.Params("id"))
	given, err := a.parameters(ctx, values)
	if err != nil {
		return err
	}
	in, err := a.admitProxy(ctx, q, access.Proxy(id), access.Subscribe)
	if err != nil {
		return err
	}
	if in.call, err = a.o.Proxies.Call(in.within, in.who.Tenant, id, given); err == nil {
		err = a.openCollection(ctx, q, in)
	}
	if err != nil {
		in.end()
	}
	return err
}

// proxyOnce serves /v1/proxies/run, for API keys alone: who names the request needs no proxy to hide it.
func (a *App) proxyOnce(c *fiber.Ctx) error {
	ctx := c.Context()
	q, _, err := askWithout(ctx)
	if err != nil {
		return a.refuse(ctx, q, err)
	}
	body, err := a.jsonBody(ctx, maxRunBody)
	if err != nil {
		return err
	}
	once, err := api.ParseProxyRun(body)
	if err != nil {
		return err
	}
	q.events = q.events && !once.Collect
	in, err := a.admitProxy(ctx, q, access.Proxy("*"), access.Write)
	if err != nil {
		return a.refuse(ctx, q, err)
	}
	if in.who.TokenID != "" {
		in.end()
		return a.refuse(ctx, q, tenants.Errorf(tenants.Forbidden, "api_key_required", "A request of one's own needs an API key; a token runs proxies."))
	}
	in.call, err = a.o.Proxies.Once(in.within, in.who.Tenant, once.Spec, once.Parameters)
	switch {
	case err != nil:
	case once.Collect:
		err = a.openCollection(ctx, q, in)
	default:
		err = a.openProxyStream(ctx, q, in)
	}
	if err != nil {
		in.end()
		return a.refuse(ctx, q, err)
	}
	return nil
}

// proxyCaller is who runs a proxy, with the slot that they hold while it opens.
type proxyCaller struct {
	who    tenants.Principal
	tenant tenants.Tenant
	ip     string
	call   proxy.ProxyCall
	place  *place
	within context.Context // for the opening
	cancel context.CancelFunc
}

// end gives up what is held for a stream that came to nothing.
func (in *proxyCaller) end() {
	in.cancel()
	in.place.leave()
}

// admitProxy finds out who asks and whether they may, and takes a slot, before anything is opened. What it returns is to be ended, or handed over.
func (a *App) admitProxy(ctx *fasthttp.RequestCtx, q ask, object, action string) (*proxyCaller, error) {
	if a.o.Proxies == nil || a.o.Relay == nil {
		return nil, &tenants.Error{Kind: tenants.NotFound}
	}
	in := &proxyCaller{ip: clientIP(ctx, a.o.TrustedHops)}
	in.within, in.cancel = context.WithTimeout(a.lifetime, openingTime)
	asking, cancel := context.WithTimeout(in.within, admitTime)
	defer cancel()
	err := a.knowProxyCaller(asking, ctx, q, in)
	if err == nil {
		err = a.may(asking, in.who, object, action)
	}
	if err == nil {
		err = a.takesMore()
	}
	var slot *quota.Slot
	if err == nil {
		slot, err = a.o.Admission.Reserve(asking, quota.AdmissionRequest{Tenant: in.who.Tenant, Subject: in.who.Subject, IP: in.ip}, in.tenant.Limits())
	}
	if err != nil {
		in.cancel()
		return nil, err
	}
	slot.Confirm() // it is held for as long as the opening takes
	in.place = &place{slot: slot, listener: a.listener.Load()}
	return in, nil
}

func (a *App) knowProxyCaller(within context.Context, ctx *fasthttp.RequestCtx, q ask, in *proxyCaller) (err error) {
	if in.who, err = a.identify(within, &ctx.Request.Header, q.token); err != nil {
		return err
	}
	ctx.SetUserValue(tenantKey{}, in.who.Tenant)
	if in.tenant, err = a.o.Accounts.Active(within, in.who.Tenant); err != nil {
		return err
	}
	return admitOrigin(ctx, in.tenant)
}

func (a *App) may(ctx context.Context, p tenants.Principal, object, action string) error {
	ok, err := a.o.Gate.Allow(ctx, p, object, action)
	if err == nil && !ok {
		err = tenants.Errorf(tenants.Forbidden, "proxy_forbidden", "The credential may not run this proxy.")
	}
	return err
}

// openProxyStream opens the upstream, or joins those who listen to it, and hands the connection over.
func (a *App) openProxyStream(ctx *fasthttp.RequestCtx, q ask, in *proxyCaller) error {
	if in.call.Proxy.Shared() {
		return a.joinProxy(ctx, q, in)
	}
	if q.typesOff || q.cloudEvents {
		return malformed("invalid_format", "A stream of one's own comes as the other server sends it: without types= and format=.")
	}
	run, err := a.o.Relay.Private(in.within, in.who.Tenant, in.call, q.cursor)
	if err != nil {
		return err
	}
	sub := in.subscription(run.Channel, 0, run.Left)
	q.asEvents(ctx, &sub)
	sub.Transport, sub.Format = "proxy", sse.Through{}
	return a.serveRun(ctx, in, sub, run.Abandon, func(c *hub.Conn) { run.Begin(c) })
}

// joinProxy has the connection listen to the channel of a shared upstream.
func (a *App) joinProxy(ctx *fasthttp.RequestCtx, q ask, in *proxyCaller) error {
	channel := in.call.Channel
	if _, own := tenants.ProxyOf(channel); !own {
		if err := a.admitChannels(in.within, in.who, []string{channel}); err != nil {
			return err
		}
	}
	q.channels = []string{channel}
	positions, err := q.positions()
	if err != nil {
		return err
	}
	seat, err := a.o.Relay.Join(in.within, in.who.Tenant, in.call, in.tenant.Limits().EventBytes)
	if err != nil {
		return err
	}
	sub := in.subscription(channel, seat.After, seat.Leave)
	if positions != nil {
		sub.Positions = positions
	}
	if q.lines {
		q.asLines(ctx, &sub)
	} else {
		q.asEvents(ctx, &sub)
	}
	return a.serveRun(ctx, in, sub, seat.Leave, func(*hub.Conn) {})
}

// openCollection opens the upstream and has the connection wait for all of it.
func (a *App) openCollection(ctx *fasthttp.RequestCtx, q ask, in *proxyCaller) error {
	c, err := a.o.Relay.Collect(in.within, in.who.Tenant, in.call, in.tenant.Limits().EventBytes)
	if err != nil {
		return err
	}
	sub := in.subscription(c.Channel, 0, c.Left)
	sub.Transport = "collect"
	sub.Poll = &hub.Poll{Wait: c.Patience(), Max: 1, Respond: a.collected(ctx, c)}
	return a.serveRun(ctx, in, sub, c.Abandon, func(*hub.Conn) { c.Begin() })
}

// subscription is that of a caller to an upstream's channel, behind the number after. left is called once with its end.
func (in *proxyCaller) subscription(channel string, after int64, left func()) hub.Subscription {
	return hub.Subscription{
		Principal: &in.who, Tenant: in.who.Tenant, Channels: []string{channel}, Positions: []int64{after}, Remote: in.ip, Plan: in.tenant.Plan,
		Release: func() {
			in.place.leave()
			left()
		},
	}
}

// serveRun gives the connection to the hub; abandon undoes the opening where the hub does not take it. What is hidden of payloads, and a right
// that was taken away meanwhile, are seen before anything is sent.
func (a *App) serveRun(ctx *fasthttp.RequestCtx, in *proxyCaller, sub hub.Subscription, abandon func(), begin func(*hub.Conn)) error {
	opened, err := a.o.Hub.Open(sub)
	if err != nil {
		abandon()
		return err
	}
	begin(opened)
	within, cancel := context.WithTimeout(in.within, admitTime)
	defer cancel()
	err = a.may(within, in.who, access.Proxy(in.call.Proxy.ID), access.Subscribe)
	var hidden hidden.Hidden
	if err == nil {
		hidden, err = a.o.Gate.Hidden(within, in.who)
	}
	if err != nil {
		opened.Abandon()
		return err
	}
	opened.Conceal(hidden)
	a.handOver(ctx, opened, in.place)
	return nil
}

// parameters reads what a caller fills a proxy's holes with: param.NAME in the query, or {"parameters":{…}} in a body.
func (a *App) parameters(ctx *fasthttp.RequestCtx, q url.Values) (map[string]string, error) {
	given := make(map[string]string)
	for name, values := range q {
		if key, ok := strings.CutPrefix(name, "param."); ok {
			if len(values) > 1 {
				return nil, malformed("duplicate_parameter", "A parameter is given more than once.")
			}
			given[key] = values[0]
		}
	}
	if n := ctx.Request.Header.ContentLength(); n == 0 || string(ctx.Method()) != http.MethodPost {
		if n != 0 && n != -2 {
			return nil, malformed("body_not_taken", "A GET takes no body.")
		}
		return given, nil
	}
	body, err := a.jsonBody(ctx, maxRunBody)
	if err != nil || len(body) == 0 {
		return given, err
	}
	more, err := api.ParseProxyParameters(body)
	for name, v := range more {
		if _, twice := given[name]; twice {
			return nil, malformed("duplicate_parameter", "A parameter is given more than once.")
		}
		given[name] = v
	}
	return given, err
}

// jsonBody reads a request's whole body, which is JSON or nothing.
func (a *App) jsonBody(ctx *fasthttp.RequestCtx, limit int64) ([]byte, error) {
	h := &ctx.Request.Header
	if int64(h.ContentLength()) > limit {
		return nil, errBodyTooLarge(limit)
	}
	read := &requestBody{stream: ctx.RequestBodyStream(), left: limit, limit: limit}
	b, err := io.ReadAll(read)
	if err != nil {
		return nil, err
	}
	ctx.SetUserValue(bodyReadKey{}, true)
	if len(b) == 0 {
		return nil, nil
	}
	if kind, _, err := mime.ParseMediaType(string(h.ContentType())); err != nil || kind != "application/json" {
		return nil, &tenants.Error{Kind: tenants.UnsupportedMediaType, Code: "content_type", Detail: "The body must be application/json."}
	}
	return b, nil
}

// collected writes the answer to a collection.
func (a *App) collected(ctx *fasthttp.RequestCtx, c *relay.Collection) func(hub.Result) []byte {
	id, lines := requestID(ctx), headerLines(ctx)
	return func(r hub.Result) []byte {
		if r.Err != nil {
			return a.problemAnswer(id, lines, r.Err)
		}
		return pollAnswer(http.StatusOK, map[string]string{fasthttp.HeaderContentType: "application/json"}, lines, api.CollectedBody(collectedEvents(c)))
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
