package streamer

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
	"github.com/hookcast/hookcast/tenants/hidden"
	"github.com/hookcast/hookcast/tenants/quota"
	"github.com/valyala/fasthttp"
)

// Every stream, poll, WebSocket and proxy is admitted in the same way: admit, reserve, check. The order matters.
// Checks that cost nothing come first. The right is checked before a slot is taken, so that a caller without the
// right cannot use up a tenant's slots, and once more when the hub knows the connection: check sees a right that was
// taken away before that, and the hub's recheck sees one that is taken away later. The same holds for hidden fields.

// admitTime bounds how long the decision about a caller may take. Nearly always the answer is cached.
const admitTime = 10 * time.Second

// right decides whether a caller may have the stream that the request names.
type right func(ctx context.Context, p tenants.Principal) error

// caller is somebody who may have the stream that they ask for.
type caller struct {
	principal *tenants.Principal // on its own: a stream keeps it, and must not keep the rest with it
	tenant    tenants.Tenant
	ip        string
	place     *place // the slot that the caller holds; nil before reserve
}

// admit finds out who sends the request and whether they may. token is that of the query; "" if there is none.
func (a *App) admit(ctx context.Context, req *fasthttp.RequestCtx, token string, may right) (*caller, error) {
	p, err := a.identify(ctx, &req.Request.Header, token)
	if err != nil {
		return nil, err
	}
	req.SetUserValue(tenantKey{}, p.Tenant)
	tenant, err := a.o.Accounts.Active(ctx, p.Tenant)
	if err == nil {
		err = admitOrigin(req, tenant)
	}
	if err == nil {
		err = may(ctx, p)
	}
	if err != nil {
		return nil, err
	}
	return &caller{principal: &p, tenant: tenant, ip: clientIP(req, a.o.TrustedHops)}, nil
}

// reserve takes a slot under the tenant's limits. channels are those with a limit of their own. On success the caller
// owes c.place.leave, once the connection is over or has come to nothing.
func (a *App) reserve(ctx context.Context, c *caller, channels []string) error {
	if err := a.accepting(); err != nil {
		return err
	}
	slot, err := a.o.Admission.Reserve(ctx, quota.Request{
		Tenant: c.principal.Tenant, Channels: channels, Subject: c.principal.Subject, IP: c.ip,
	}, c.tenant.Limits())
	if err == nil {
		c.place = &place{slot: slot, listener: a.listener.Load()}
	}
	return err
}

// check decides once more about a connection that the hub knows, and sets the fields that are hidden on it. On an
// error the connection is abandoned.
func (a *App) check(ctx context.Context, req *fasthttp.RequestCtx, token string, may right, opened *hub.Conn) error {
	c, err := a.admit(ctx, req, token, may)
	var hidden hidden.Hidden
	if err == nil {
		hidden, err = a.o.Gate.Hidden(ctx, *c.principal)
	}
	if err != nil {
		opened.Abandon()
		return err
	}
	opened.Conceal(hidden)
	return nil
}

// accepting returns why this node takes no more clients: kind Unavailable, code draining or node_full.
func (a *App) accepting() error {
	if a.draining.Load() {
		return tenants.Errorf(tenants.Unavailable, "draining",
			"this node is going out of service; another node serves the request")
	}
	if l := a.listener.Load(); l != nil && l.full() {
		return tenants.Errorf(tenants.Unavailable, "node_full",
			"this node holds as many connections as it can; try again later")
	}
	return nil
}

// subscribe admits a request for channels and prepares its connection in the hub. transport completes the
// Subscription. On an error nothing is held; otherwise the hub gives the place back.
func (a *App) subscribe(
	req *fasthttp.RequestCtx, q streamRequest, transport func(*hub.Subscription),
) (*hub.Conn, *place, error) {
	ctx, cancel := context.WithTimeout(a.lifetime, admitTime)
	defer cancel()
	may := func(ctx context.Context, p tenants.Principal) error { return a.maySubscribe(ctx, p, q) }
	c, err := a.admit(ctx, req, q.token, may)
	if err != nil {
		return nil, nil, err
	}
	positions, err := q.positions()
	if err != nil {
		return nil, nil, err
	}
	if err := a.reserve(ctx, c, q.channels); err != nil {
		return nil, nil, err
	}
	sub := hub.Subscription{
		Principal: c.principal, Tenant: c.principal.Tenant, Channels: q.channels, Positions: positions, Remote: c.ip,
		Plan: c.tenant.Plan, Traced: c.tenant.Tracing.Until, Release: c.place.leave,
	}
	transport(&sub)
	opened, err := a.o.Hub.Open(sub)
	if err != nil {
		c.place.leave()
		return nil, nil, err
	}
	if err := a.check(ctx, req, q.token, may, opened); err != nil {
		return nil, nil, err
	}
	return opened, c.place, nil
}

// maySubscribe is the right to a request's channels in its format.
func (a *App) maySubscribe(ctx context.Context, p tenants.Principal, q streamRequest) error {
	if err := a.mayHear(ctx, p, q.channels); err != nil {
		return err
	}
	if q.original && p.TokenID != "" {
		return tenants.Errorf(tenants.Forbidden, "format_needs_key",
			"the format original shows the provider's headers and needs an API key")
	}
	return nil
}

// mayHear asks the gate about each channel. One forbidden channel refuses the whole request: a stream that silently
// lacks a channel is worse than no stream.
func (a *App) mayHear(ctx context.Context, p tenants.Principal, channels []string) error {
	for _, name := range channels {
		ok, err := a.o.Gate.Allow(ctx, p, access.Channel(name), access.Subscribe)
		if err != nil {
			return err
		}
		if !ok {
			return tenants.Errorf(tenants.Forbidden, "channel_forbidden",
				"the credential must have the right to subscribe to %s", name)
		}
	}
	return nil
}
