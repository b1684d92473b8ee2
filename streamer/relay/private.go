package relay

import (
	"context"
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventstream"
	"github.com/hookcast/hookcast/tenants/proxy"
	"github.com/hookcast/hookcast/tenants/upstream"
)

// PrivateUpstream is an upstream of one caller, whose events go into a channel in this node's memory.
type PrivateUpstream struct {
	Channel string

	relay  *Relay
	call   proxy.Call
	key    channelKey
	stream *upstream.Stream
	ctx    context.Context
	cancel context.CancelFunc
	client Client
}

// Client knows the caller's position in the channel; *hub.Conn implements it.
type Client interface {
	// Position returns the number of the last event that was written to the caller.
	Position() int64
}

// Private opens an upstream for one caller, continuing after lastID unless it is "". ctx bounds the opening only.
// Errors are of kind BadGateway if the other server does not comply, and TooMany or Unavailable if this node's bounds
// are reached. The caller must Begin or Abandon the result, and call Left in the end after Begin.
func (r *Relay) Private(
	ctx context.Context, tenant tenants.TenantID, call proxy.Call, lastID string,
) (*PrivateUpstream, error) {
	o := r.options(call, 0)
	o.LastID = lastID
	return r.private(ctx, tenant, call, o)
}

func (r *Relay) private(
	ctx context.Context, tenant tenants.TenantID, call proxy.Call, o upstream.Options,
) (*PrivateUpstream, error) {
	if err := r.enter(tenant); err != nil {
		return nil, err
	}
	up := &PrivateUpstream{relay: r, call: call, Channel: privateChannel(call.Proxy.ID)}
	up.key = channelKey{tenant, up.Channel}
	up.ctx, up.cancel = context.WithCancel(r.ctx)
	stop := context.AfterFunc(ctx, up.cancel)
	stream, err := upstream.Open(up.ctx, o)
	if err == nil && !stop() { // the caller left before
		stream.Close()
		err = tenants.Errorf(tenants.Unavailable, "cancelled", "%w", ctx.Err())
	}
	if err != nil {
		up.cancel()
		r.leave(tenant)
		return nil, err
	}
	up.stream = stream
	r.o.Memory.begin(up.key)
	r.mu.Lock()
	r.alone++
	r.mu.Unlock()
	return up, nil
}

// over gives back the place that the upstream holds.
func (up *PrivateUpstream) over() {
	up.relay.mu.Lock()
	up.relay.alone--
	up.relay.mu.Unlock()
	up.relay.leave(up.key.tenant)
}

// privateChannel names a new channel of this node's memory. Rights to it are those to the proxy: see tenants.ProxyOf.
func privateChannel(proxy string) string {
	return "hookcast.proxy." + proxy + memoryMark + tenants.NewID("")
}

// inMemory reports whether a channel has such a name.
func inMemory(channel string) bool {
	return strings.Contains(channel, memoryMark) && strings.HasPrefix(channel, "hookcast.proxy.")
}

// Begin starts reading the upstream, as fast as the client takes its events.
func (up *PrivateUpstream) Begin(client Client) {
	up.client = client
	up.relay.spawn(func() {
		defer up.over()
		up.finish(up.stream.Run(up.ctx, up))
		up.cancel()
	})
}

// Left notes that the caller is gone and closes the upstream. It does not block.
func (up *PrivateUpstream) Left() {
	up.cancel()
	up.relay.o.Memory.end(up.key)
}

// Abandon is Left for an upstream whose Begin was not called.
func (up *PrivateUpstream) Abandon() {
	up.Left()
	up.stream.Close()
	up.over()
}

// Events implements upstream.Sink.
func (up *PrivateUpstream) Events(ctx context.Context, events []eventstream.Event, _ string) error {
	for _, e := range events {
		made := event(up.call, up.key.tenant, up.Channel, e)
		made.Provenance = &tenants.Provenance{DeliveryID: up.call.Redact.Event(e.ID)}
		if err := up.put(ctx, made); err != nil {
			return err
		}
	}
	up.relay.counts.forwarded(len(events))
	return nil
}

// Gap implements upstream.Sink.
func (up *PrivateUpstream) Gap(ctx context.Context) error {
	up.relay.counts.gap()
	return up.put(ctx, gapEvent(up.key.tenant, up.Channel))
}

const roomEvery = 5 * time.Millisecond // while the caller is slower than the upstream

// put appends an event to the channel once there is room.
func (up *PrivateUpstream) put(ctx context.Context, e tenants.Event) error {
	for !up.relay.o.Memory.room(up.key, up.client.Position()) {
		select {
		case <-time.After(roomEvery):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if !up.add(e) {
		return context.Canceled
	}
	return nil
}

// add appends an event to the channel and notifies the hub. It returns false if the channel is gone.
func (up *PrivateUpstream) add(e tenants.Event) bool {
	e.ID, e.Time = tenants.NewID(tenants.PrefixEvent), time.Now().UTC()
	if !up.relay.o.Memory.add(up.key, &e) {
		return false
	}
	up.relay.o.Deliver(tenants.InboxMessage{Tenant: up.key.tenant, Channel: up.Channel, Events: []tenants.Event{e}})
	return true
}

// finish tells the caller how the upstream ended, as the channel's last event.
func (up *PrivateUpstream) finish(end upstream.End) {
	up.relay.logEnd(end, up.key.tenant, up.call.Proxy.ID)
	up.add(endEvent(up.key.tenant, up.Channel, end))
}
