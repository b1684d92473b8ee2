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

// Run is an upstream of one caller, whose events are in a channel of this node's memory.
type Run struct {
	Channel string

	relay  *Relay
	call   proxy.ProxyCall
	key    scrollKey
	stream *upstream.Stream
	ctx    context.Context
	cancel context.CancelFunc
	client Client
}

// Client is where a caller's connection is in the run's channel; hub.Conn is one.
type Client interface {
	// Position is the number of the last event that was written to it.
	Position() int64
}

// Private opens an upstream for one caller, going on from lastID where that is not "". ctx is for the opening alone. Errors: kind BadGateway
// where the other server does not do what is asked of it; TooMany and Unavailable over the bounds of this node. What it returns is to be
// begun, and left in the end in any case.
func (r *Relay) Private(ctx context.Context, tenant tenants.TenantID, call proxy.ProxyCall, lastID string) (*Run, error) {
	o := r.options(call, 0)
	o.LastID = lastID
	return r.private(ctx, tenant, call, o)
}

func (r *Relay) private(ctx context.Context, tenant tenants.TenantID, call proxy.ProxyCall, o upstream.Options) (*Run, error) {
	if err := r.enter(tenant); err != nil {
		return nil, err
	}
	run := &Run{relay: r, call: call, Channel: runChannel(call.Proxy.ID)}
	run.key = scrollKey{tenant, run.Channel}
	run.ctx, run.cancel = context.WithCancel(r.ctx)
	stop := context.AfterFunc(ctx, run.cancel)
	stream, err := upstream.Open(run.ctx, o)
	if err == nil && !stop() { // the caller was gone before
		stream.Close()
		err = tenants.Errorf(tenants.Unavailable, "cancelled", "%w", ctx.Err())
	}
	if err != nil {
		run.cancel()
		r.leave(tenant)
		return nil, err
	}
	run.stream = stream
	r.o.Memory.begin(run.key)
	r.mu.Lock()
	r.alone++
	r.mu.Unlock()
	return run, nil
}

// over gives the run's place back.
func (run *Run) over() {
	run.relay.mu.Lock()
	run.relay.alone--
	run.relay.mu.Unlock()
	run.relay.leave(run.key.tenant)
}

// runChannel names a channel of this node's memory, by which the rights to it are known: see tenants.ProxyOf.
func runChannel(proxy string) string {
	return "hookcast.proxy." + proxy + memoryMark + tenants.NewID("")
}

// inMemory tells whether a channel has such a name.
func inMemory(channel string) bool {
	return strings.Contains(channel, memoryMark) && strings.HasPrefix(channel, "hookcast.proxy.")
}

// Begin has the upstream read, as fast as the client takes it.
func (run *Run) Begin(client Client) {
	run.client = client
	run.relay.spawn(func() {
		defer run.over()
		run.finish(run.stream.Run(run.ctx, run))
		run.cancel()
	})
}

// Left says that the caller is gone: the upstream is closed. It does not wait.
func (run *Run) Left() {
	run.cancel()
	run.relay.o.Memory.end(run.key)
}

// Abandon is Left for a run that was never begun.
func (run *Run) Abandon() {
	run.Left()
	run.stream.Close()
	run.over()
}

// Events fulfils upstream.Sink.
func (run *Run) Events(ctx context.Context, events []eventstream.Event, _ string) error {
	for _, e := range events {
		made := event(run.call, run.key.tenant, run.Channel, e)
		made.Provenance = &tenants.Provenance{DeliveryID: run.call.Redact.Event(e.ID)}
		if err := run.put(ctx, made); err != nil {
			return err
		}
	}
	run.relay.counts.forwarded(len(events))
	return nil
}

// Gap fulfils upstream.Sink.
func (run *Run) Gap(ctx context.Context) error {
	run.relay.counts.gap()
	return run.put(ctx, gapEvent(run.key.tenant, run.Channel))
}

const roomEvery = 5 * time.Millisecond // while the caller is slower than the upstream

// put appends an event to the channel once there is room.
func (run *Run) put(ctx context.Context, e tenants.Event) error {
	for !run.relay.o.Memory.room(run.key, run.client.Position()) {
		select {
		case <-time.After(roomEvery):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if !run.add(e) {
		return context.Canceled
	}
	return nil
}

// add appends an event to the channel and has the caller told; false: there is no such channel any more.
func (run *Run) add(e tenants.Event) bool {
	e.ID, e.Time = tenants.NewID(tenants.PrefixEvent), time.Now().UTC()
	if !run.relay.o.Memory.add(run.key, &e) {
		return false
	}
	run.relay.o.Deliver(tenants.Notice{Tenant: run.key.tenant, Channel: run.Channel, Events: []tenants.Event{e}})
	return true
}

// finish tells the caller how the upstream ended, and that there is no more.
func (run *Run) finish(end upstream.End) {
	run.relay.troubled(end, run.key.tenant, run.call.Proxy.ID)
	run.add(endEvent(run.key.tenant, run.Channel, end))
}
