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

// noCursor is beyond every channel's tail: the hub answers it with a gap that says reset.
const noCursor = 1 << 62

// admitTime is how long it may take to find out whether a client may listen. Nearly always the answer is remembered.
const admitTime = 10 * time.Second

// subscribe does what a stream and a poll have in common: it finds out who asks and whether they may, takes a slot, and prepares
// a connection in the hub. transport completes the Subscription. On an error nothing is held; else the place is the hub's to give back.
//
// The order matters. What costs nothing comes first. The right is checked before the slot is taken, so that nobody without it can use up
// a tenant's slots, and once more when the hub knows the connection: a right that is taken away before that is seen here, and one
// that is taken away after it by the hub's recheck. So it is with what is hidden.
func (a *App) subscribe(ctx *fasthttp.RequestCtx, q ask, transport func(*hub.Subscription)) (*hub.Conn, *place, error) {
	within, cancel := context.WithTimeout(a.lifetime, admitTime)
	defer cancel()
	p, tenant, err := a.admit(within, ctx, q)
	if err != nil {
		return nil, nil, err
	}
	positions, err := q.positions()
	if err != nil {
		return nil, nil, err
	}
	if err := a.takesMore(); err != nil {
		return nil, nil, err
	}
	ip := clientIP(ctx, a.o.TrustedHops)
	slot, err := a.o.Admission.Reserve(within, quota.AdmissionRequest{Tenant: p.Tenant, Channels: q.channels, Subject: p.Subject, IP: ip}, tenant.Limits())
	if err != nil {
		return nil, nil, err
	}
	place := &place{slot: slot, listener: a.listener.Load()}
	sub := hub.Subscription{
		Principal: &p, Tenant: p.Tenant, Channels: q.channels, Positions: positions, Remote: ip, Plan: tenant.Plan, Traced: tenant.Tracing.Until,
		Release: place.leave,
	}
	transport(&sub)
	opened, err := a.o.Hub.Open(sub)
	if err != nil {
		place.leave()
		return nil, nil, err
	}
	hidden, err := a.admitOpened(within, ctx, q)
	if err != nil {
		opened.Abandon()
		return nil, nil, err
	}
	opened.Conceal(hidden)
	return opened, place, nil
}

// admitOpened is admit for a connection that the hub knows, and finds out what is hidden on it.
func (a *App) admitOpened(within context.Context, ctx *fasthttp.RequestCtx, q ask) (hidden.Hidden, error) {
	p, _, err := a.admit(within, ctx, q)
	if err != nil {
		return "", err
	}
	return a.o.Gate.Hidden(within, p)
}

// admit finds out who asks, and whether they may hear what they ask for.
func (a *App) admit(within context.Context, ctx *fasthttp.RequestCtx, q ask) (tenants.Principal, tenants.Tenant, error) {
	p, err := a.identify(within, &ctx.Request.Header, q.token)
	if err != nil {
		return p, tenants.Tenant{}, err
	}
	ctx.SetUserValue(tenantKey{}, p.Tenant)
	tenant, err := a.o.Accounts.Active(within, p.Tenant)
	if err == nil {
		err = admitOrigin(ctx, tenant)
	}
	if err == nil {
		err = a.admitChannels(within, p, q.channels)
	}
	if err == nil && q.original && p.TokenID != "" {
		err = tenants.Errorf(tenants.Forbidden, "format_needs_key", "The format original shows the provider's headers, and is for API keys alone.")
	}
	return p, tenant, err
}

// admitChannels asks the gate about each channel. One that may not be heard refuses the whole: a stream that silently lacks a
// channel is worse than none.
func (a *App) admitChannels(ctx context.Context, p tenants.Principal, channels []string) error {
	for _, name := range channels {
		ok, err := a.o.Gate.Allow(ctx, p, access.Channel(name), access.Subscribe)
		if err != nil {
			return err
		}
		if !ok {
			return tenants.Errorf(tenants.Forbidden, "channel_forbidden", "The credential may not subscribe to %s.", name)
		}
	}
	return nil
}

// takesMore refuses where this node should be sent no more clients, though the next one may be.
func (a *App) takesMore() error {
	if a.draining.Load() {
		return tenants.Errorf(tenants.Unavailable, "draining", "This node is going out of service.")
	}
	if l := a.listener.Load(); l != nil && l.full() {
		return tenants.Errorf(tenants.Unavailable, "node_full", "This node holds as many connections as it may.")
	}
	return nil
}

// positions reads the cursor. nil: from now on. A cursor that is none of these channels' is refused, but for an EventSource, which
// would never come back from a refusal: it gets the gap that a cursor beyond the tail gets, and from there on everything.
func (q ask) positions() ([]int64, error) {
	if q.cursor == "" {
		return nil, nil
	}
	at, err := tenants.ParseCursor(q.cursor, q.channels)
	if err == nil {
		return at, nil
	}
	if !q.events {
		return nil, malformed("invalid_cursor", "The cursor is none of these channels in this order.")
	}
	at = make([]int64, len(q.channels))
	for i := range at {
		at[i] = noCursor
	}
	return at, nil
}
