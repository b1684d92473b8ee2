package streamer

import (
	"context"

	"github.com/valyala/fasthttp"

	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
)

// noCursor is beyond every channel's tail: the hub answers it with a gap that says reset.
const noCursor = 1 << 62

// subscribe does what a stream and a poll have in common: it finds out who asks and whether they may, takes a slot, and
// makes the Subscription, which lacks what belongs to the transport. The place is the caller's from here on: it hands the Subscription to
// the hub, which then owes its Release.
//
// The order matters: what costs nothing comes first, and the right is checked before the slot is taken, so that nobody without it can
// use up a tenant's slots.
func (a *App) subscribe(ctx *fasthttp.RequestCtx, q ask) (hub.Subscription, *place, error) {
	none := hub.Subscription{}
	p, err := a.identify(ctx, &ctx.Request.Header, q.token)
	if err != nil {
		return none, nil, err
	}
	ctx.SetUserValue(tenantKey{}, p.Tenant)
	tenant, err := a.o.Accounts.Active(ctx, p.Tenant)
	if err != nil {
		return none, nil, err
	}
	if err := admitOrigin(ctx, tenant); err != nil {
		return none, nil, err
	}
	if err := a.admitChannels(ctx, p, q.channels); err != nil {
		return none, nil, err
	}
	positions, err := q.positions()
	if err != nil {
		return none, nil, err
	}
	if err := a.takesMore(); err != nil {
		return none, nil, err
	}
	ip := clientIP(ctx, a.o.TrustedHops)
	slot, err := a.o.Admission.Reserve(ctx, tenants.AdmissionRequest{Tenant: p.Tenant, Channels: q.channels, Subject: p.Subject, IP: ip}, tenant.Limits())
	if err != nil {
		return none, nil, err
	}
	place := &place{slot: slot, listener: a.listener.Load()}
	return hub.Subscription{
		Principal: &p, Tenant: p.Tenant, Channels: q.channels, Positions: positions, Remote: ip, Release: place.leave,
	}, place, nil
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
