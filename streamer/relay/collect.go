package relay

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventstream"
	"github.com/hookcast/hookcast/tenants/proxy"
	"github.com/hookcast/hookcast/tenants/upstream"
)

// Collection is an upstream that is read to its end for one caller, who waits for all of it.
type Collection struct {
	*PrivateUpstream

	mu     sync.Mutex
	events []eventstream.Event
	bytes  int
	end    string
	code   string

	gone atomic.Bool // the channel had listeners, and has none any more
}

// Collected is the result of a collection.
type Collected struct {
	Events []eventstream.Event // without secrets
	// End says why the collection ended: "ended", "cut", "failed", "time", "events", "bytes" or
	// "client_disconnected".
	End  string
	Code string // of the error, if End is "failed"
	// ClientDisconnected says that the last listener of the proxy's channel left, which closed the upstream.
	ClientDisconnected bool
}

// Collect opens an upstream that is to be collected; errors are those of Private. The collection ends at the latest
// at the bounds of its proxy. If the proxy has a channel of its own, the events are also forwarded there, and the
// collection ends when the channel's last listener has left.
func (r *Relay) Collect(
	ctx context.Context, tenant tenants.TenantID, call proxy.Call, eventBytes int,
) (*Collection, error) {
	o := r.options(call, eventBytes)
	o.Total = call.Proxy.Limits.WithDefaults().CollectTotal
	o.Reconnect = false // its first response is all of it
	up, err := r.private(ctx, tenant, call, o)
	if err != nil {
		return nil, err
	}
	return &Collection{PrivateUpstream: up}, nil
}

// Patience returns how long the caller may have to wait.
func (c *Collection) Patience() time.Duration {
	return c.call.Proxy.Limits.WithDefaults().CollectTotal + 30*time.Second
}

var (
	errEvents = errors.New("relay: the collection has its maximum of events")
	errBytes  = errors.New("relay: the collection has its maximum of bytes")
	errGone   = errors.New("relay: the last listener has left")
)

// Begin starts reading the upstream. An event in the channel reports its end.
func (c *Collection) Begin() {
	c.relay.spawn(func() {
		defer c.over()
		defer c.cancel()
		if c.forwards() {
			watching, stop := context.WithCancel(c.ctx)
			defer stop()
			heard := c.listeners(watching) > 0 // before the first event could have made them leave
			c.relay.spawn(func() { c.watch(watching, heard) })
		}
		end := c.stream.Run(c.ctx, c)
		c.close(end)
		c.finish(end)
	})
}

// forwards reports whether the events also go into a channel of the log.
func (c *Collection) forwards() bool { return c.call.Channel != "" }

const (
	watchEvery = 250 * time.Millisecond
	goneAfter  = 3 // checks in a row without listeners
)

// watch ends the collection once the channel has had listeners and has none any more.
func (c *Collection) watch(ctx context.Context, heard bool) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for none := 0; none < goneAfter; {
		switch {
		case c.listeners(ctx) > 0:
			heard, none = true, 0
		case heard && ctx.Err() == nil:
			none++
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
	c.gone.Store(true)
	c.cancel()
}

func (c *Collection) listeners(ctx context.Context) int {
	return c.relay.o.Subscribers(ctx, c.key.tenant, c.call.Channel)
}

// Events implements upstream.Sink.
func (c *Collection) Events(ctx context.Context, events []eventstream.Event, _ string) error {
	limits := c.call.Proxy.Limits.WithDefaults()
	var forward []tenants.Event
	var full error
	c.mu.Lock()
	before := len(c.events)
	for _, e := range events {
		if full = c.add(e, limits); full != nil {
			break
		}
		if c.forwards() {
			made := event(c.call, c.key.tenant, c.call.Channel, e)
			made.ID, made.Time = tenants.NewID(tenants.PrefixEvent), time.Now().UTC()
			forward = append(forward, made)
		}
	}
	added := len(c.events) - before
	c.mu.Unlock()
	c.relay.counts.forwarded(added)
	if err := c.relay.o.Feed.Forward(ctx, forward...); err != nil {
		return err
	}
	return full
}

// add keeps one event, or returns the bound that it would exceed. c.mu held.
func (c *Collection) add(e eventstream.Event, l proxy.Limits) error {
	e = eventstream.Event{Name: c.call.Redact.Event(e.Name), Data: []byte(c.call.Redact.Event(string(e.Data))),
		ID: c.call.Redact.Event(e.ID)}
	switch size := len(e.Name) + len(e.Data) + len(e.ID); {
	case len(c.events) == l.CollectEvents:
		return errEvents
	case c.bytes+size > l.CollectBytes:
		return errBytes
	default:
		c.events, c.bytes = append(c.events, e), c.bytes+size
		return nil
	}
}

// Gap implements upstream.Sink. It is never called, because a collection does not reconnect.
func (c *Collection) Gap(context.Context) error { return errGone }

func (c *Collection) close(end upstream.End) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.gone.Load():
		c.end = "client_disconnected"
	case errors.Is(end.Err, errEvents):
		c.end = "events"
	case errors.Is(end.Err, errBytes):
		c.end = "bytes"
	case end.Reason == upstream.Failed || end.Reason == upstream.Refused:
		c.end, c.code = "failed", tenants.CodeOf(end.Err)
	case end.Reason == upstream.Canceled: // the caller has left, or the node is stopping: nobody reads this
		c.end = "cut"
	default:
		c.end = string(end.Reason)
	}
}

// Result returns the collected events once the channel has its end event.
func (c *Collection) Result() Collected {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Collected{c.events, c.end, c.code, c.gone.Load()}
}
