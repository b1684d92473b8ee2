package streamer

import (
	"context"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
	"github.com/hookcast/hookcast/tenants/api"
	"github.com/hookcast/hookcast/tenants/proxy"
	"github.com/valyala/fasthttp"
)

// The streams and collections of proxies are served like every stream: the caller is admitted, the upstream opened,
// and the connection handed to the hub. An upstream is opened only for a caller who may use it, and none is left open
// after a connection that came to nothing.

// openingTime bounds the opening of an upstream: the upstream's own bound on the first byte, some redirects, and our
// work.
const openingTime = 330 * time.Second

const maxRunBody = 256 << 10

// proxyStream serves /v1/proxies/{id}/stream.
func (a *App) proxyStream(c *fiber.Ctx) error {
	ctx := c.Context()
	q, values, err := parseCommon(ctx)
	if err != nil {
		return a.refuse(ctx, q, err)
	}
	id := strings.Clone(c.Params("id"))
	given, err := a.parameters(ctx, values)
	if err == nil {
		err = a.runProxy(ctx, q, a.mayRun(id), func(in *proxyCaller) (proxy.Call, error) {
			return a.o.Proxies.Call(in.within, in.principal.Tenant, id, given)
		}, a.openProxyStream)
	}
	if err != nil {
		return a.refuse(ctx, q, err)
	}
	return nil
}

// proxyCollect serves /v1/proxies/{id}/collect.
func (a *App) proxyCollect(c *fiber.Ctx) error {
	ctx := c.Context()
	q, values, err := parseCommon(ctx)
	if err != nil {
		return err
	}
	q.events = false // the answer is JSON, regardless of Accept
	id := strings.Clone(c.Params("id"))
	given, err := a.parameters(ctx, values)
	if err != nil {
		return err
	}
	return a.runProxy(ctx, q, a.mayRun(id), func(in *proxyCaller) (proxy.Call, error) {
		return a.o.Proxies.Call(in.within, in.principal.Tenant, id, given)
	}, a.openCollection)
}

// proxyOnce serves /v1/proxies/run, for API keys only: a caller who writes the request does not need a proxy to hide
// it.
func (a *App) proxyOnce(c *fiber.Ctx) error {
	ctx := c.Context()
	q, _, err := parseCommon(ctx)
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
	open := a.openProxyStream
	if once.Collect {
		open = a.openCollection
	}
	err = a.runProxy(ctx, q, a.mayRunAny, func(in *proxyCaller) (proxy.Call, error) {
		return a.o.Proxies.Once(in.within, in.principal.Tenant, once.Spec, once.Parameters)
	}, open)
	if err != nil {
		return a.refuse(ctx, q, err)
	}
	return nil
}

// proxyCaller is an admitted caller whose upstream is being opened.
type proxyCaller struct {
	*caller
	call   proxy.Call
	within context.Context // for the opening
}

// runProxy admits the caller, makes the call and opens its upstream. The caller holds a slot while the upstream is
// opened; on an error it is given back.
func (a *App) runProxy(
	ctx *fasthttp.RequestCtx, q streamRequest, may right, call func(*proxyCaller) (proxy.Call, error),
	open func(*fasthttp.RequestCtx, streamRequest, *proxyCaller) error,
) error {
	if a.o.Proxies == nil || a.o.Relay == nil {
		return &tenants.Error{Kind: tenants.NotFound}
	}
	within, cancel := context.WithTimeout(a.lifetime, openingTime)
	defer cancel()
	c, err := a.admitProxy(within, ctx, q, may)
	if err != nil {
		return err
	}
	in := &proxyCaller{caller: c, within: within}
	if in.call, err = call(in); err == nil {
		err = open(ctx, q, in)
	}
	if err != nil {
		in.place.leave()
	}
	return err
}

// admitProxy admits the caller and takes a slot, before anything is opened.
func (a *App) admitProxy(
	within context.Context, ctx *fasthttp.RequestCtx, q streamRequest, may right,
) (*caller, error) {
	within, cancel := context.WithTimeout(within, admitTime)
	defer cancel()
	c, err := a.admit(within, ctx, q.token, may)
	if err == nil {
		err = a.reserve(within, c, nil)
	}
	if err != nil {
		return nil, err
	}
	c.place.slot.Confirm() // it is held for as long as the opening takes
	return c, nil
}

// mayRun is the right to run the proxy of that id.
func (a *App) mayRun(id string) right {
	return func(ctx context.Context, p tenants.Principal) error { return a.mayProxy(ctx, p, id, access.Subscribe) }
}

// mayRunAny is the right to run a request of the caller's own.
func (a *App) mayRunAny(ctx context.Context, p tenants.Principal) error {
	if err := a.mayProxy(ctx, p, "*", access.Write); err != nil {
		return err
	}
	if p.TokenID != "" {
		return tenants.Errorf(tenants.Forbidden, "api_key_required",
			"a request of the caller's own needs an API key; a token runs stored proxies")
	}
	return nil
}

func (a *App) mayProxy(ctx context.Context, p tenants.Principal, id, action string) error {
	ok, err := a.o.Gate.Allow(ctx, p, access.Proxy(id), action)
	if err == nil && !ok {
		err = tenants.Errorf(tenants.Forbidden, "proxy_forbidden",
			"the credential must have the right to run this proxy")
	}
	return err
}

// openProxyStream opens the upstream, or joins its listeners if it is shared, and hands the connection over.
func (a *App) openProxyStream(ctx *fasthttp.RequestCtx, q streamRequest, in *proxyCaller) error {
	if in.call.Proxy.Shared() {
		return a.joinProxy(ctx, q, in)
	}
	if q.typesOff || q.cloudEvents {
		return malformed("invalid_format",
			"a private stream comes as the other server sends it and must be asked for without types= and format=")
	}
	private, err := a.o.Relay.Private(in.within, in.principal.Tenant, in.call, q.cursor)
	if err != nil {
		return err
	}
	sub := in.subscription(private.Channel, 0, private.Left)
	q.asEvents(ctx, &sub)
	sub.Transport, sub.Format = "proxy", sse.Through{}
	return a.serveUpstream(ctx, q, in, sub, private.Abandon, func(c *hub.Conn) { private.Begin(c) })
}

// joinProxy subscribes the connection to the channel of a shared upstream.
func (a *App) joinProxy(ctx *fasthttp.RequestCtx, q streamRequest, in *proxyCaller) error {
	channel := in.call.Channel
	if _, own := tenants.ProxyOf(channel); !own {
		if err := a.mayHear(in.within, *in.principal, []string{channel}); err != nil {
			return err
		}
	}
	q.channels = []string{channel}
	positions, err := q.positions()
	if err != nil {
		return err
	}
	seat, err := a.o.Relay.Join(in.within, in.principal.Tenant, in.call, in.tenant.Limits().EventBytes)
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
	return a.serveUpstream(ctx, q, in, sub, seat.Leave, func(*hub.Conn) {})
}

// subscription is that of a caller to an upstream's channel, from after the number given. left is called once, at its
// end.
func (in *proxyCaller) subscription(channel string, after int64, left func()) hub.Subscription {
	return hub.Subscription{
		Principal: in.principal, Tenant: in.principal.Tenant, Channels: []string{channel}, Positions: []int64{after},
		Remote: in.ip, Plan: in.tenant.Plan,
		Release: func() {
			in.place.leave()
			left()
		},
	}
}

// serveUpstream gives the connection to the hub. abandon undoes the opening if the hub does not take the connection;
// begin starts reading. Opening an upstream takes time: the caller is checked once more before anything is sent.
func (a *App) serveUpstream(
	ctx *fasthttp.RequestCtx, q streamRequest, in *proxyCaller, sub hub.Subscription, abandon func(),
	begin func(*hub.Conn),
) error {
	opened, err := a.o.Hub.Open(sub)
	if err != nil {
		abandon()
		return err
	}
	begin(opened)
	within, cancel := context.WithTimeout(in.within, admitTime)
	defer cancel()
	if err := a.check(within, ctx, q.token, a.mayRun(in.call.Proxy.ID), opened); err != nil {
		return err
	}
	a.handOver(ctx, opened, in.place)
	return nil
}
