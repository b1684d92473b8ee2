package relay

import (
	"context"
	"log/slog"
	"sync"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventstream"
	"github.com/hookcast/hookcast/tenants/proxy"
	"github.com/hookcast/hookcast/tenants/upstream"
)

// Options configures a Relay. A field is required unless its comment states its zero value.
type Options struct {
	Opener tenants.Opener
	Memory *Memory
	// Deliver passes notices to this node's hub.
	Deliver func(ns ...tenants.InboxMessage)
	Runs    *proxy.Runs
	Feed    *proxy.Feed
	Log     interface {
		Tail(ctx context.Context, tenant tenants.TenantID, channel string) (int64, error)
	}
	// Subscribers counts the listeners of a channel on all nodes.
	Subscribers func(ctx context.Context, t tenants.TenantID, channel string) int
	Node        interface {
		ID() string
		Held() bool
	}
	Logger    *slog.Logger // nil: discards
	Upstreams int          // maximum open at once on this node; 0: 2,000
	PerTenant int          // maximum of one tenant; 0: 200
}

const (
	defaultUpstreams = 2000
	defaultPerTenant = 200
)

// Relay runs upstreams. Close ends them all.
type Relay struct {
	o    Options
	ctx  context.Context
	end  context.CancelFunc
	work sync.WaitGroup

	mu      sync.Mutex
	open    map[tenants.TenantID]int // number of upstreams
	total   int
	alone   int // of total, those of one caller
	shares  map[shareKey]*share
	refusal map[shareKey]refusal

	counts counts
}

// New returns a Relay.
func New(o Options) *Relay {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Upstreams <= 0 {
		o.Upstreams = defaultUpstreams
	}
	if o.PerTenant <= 0 {
		o.PerTenant = defaultPerTenant
	}
	r := &Relay{o: o, open: make(map[tenants.TenantID]int), shares: make(map[shareKey]*share),
		refusal: make(map[shareKey]refusal)}
	r.counts.begin()
	r.ctx, r.end = context.WithCancel(context.Background())
	return r
}

// Close ends every upstream and returns when all are closed. Other nodes that want the shared ones take them over.
func (r *Relay) Close() {
	r.mu.Lock()
	r.end()
	r.mu.Unlock()
	r.work.Wait()
}

// spawn runs f in a goroutine that Close waits for. After Close it runs f in the calling goroutine, with a context
// that has ended.
func (r *Relay) spawn(f func()) {
	r.mu.Lock()
	if r.ctx.Err() == nil {
		r.work.Go(f)
		f = func() {}
	}
	r.mu.Unlock()
	f()
}

// enter takes a place for an upstream. Errors: TooMany upstream_limit, Unavailable upstreams_full.
func (r *Relay) enter(t tenants.TenantID) error {
	err := r.place(t)
	if err != nil {
		r.counts.tried(false, err)
	}
	return err
}

func (r *Relay) place(t tenants.TenantID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.ctx.Err() != nil || r.total >= r.o.Upstreams:
		return tenants.Errorf(tenants.Unavailable, "upstreams_full",
			"this node runs as many upstreams as it can; try again later")
	case r.open[t] >= r.o.PerTenant:
		return tenants.Errorf(tenants.TooMany, "upstream_limit",
			"the account has reached its limit of open upstreams on this node; close some of them")
	}
	r.total++
	r.open[t]++
	return nil
}

func (r *Relay) leave(t tenants.TenantID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total--
	if r.open[t]--; r.open[t] == 0 {
		delete(r.open, t)
	}
}

// options returns the options of a call's upstream. eventBytes bounds events that go into the log.
func (r *Relay) options(call proxy.Call, eventBytes int) upstream.Options {
	l := call.Proxy.Limits.WithDefaults()
	if eventBytes > 0 {
		l.EventBytes = min(l.EventBytes, eventBytes)
	}
	return upstream.Options{
		Opener: r.o.Opener, Request: call.Request, Redirects: call.Proxy.Redirects, Reconnect: call.Proxy.Reconnect,
		FirstByte: l.FirstByte, Idle: l.Idle, Total: l.Total, EventBytes: l.EventBytes, Tried: r.counts.tried,
		Redact: call.Redact.Text,
	}
}

// event makes an event of a channel from one of an upstream, without its secrets. The caller sets its number and id.
func event(call proxy.Call, tenant tenants.TenantID, channel string, e eventstream.Event) tenants.Event {
	return tenants.Event{
		Tenant: tenant, Channel: channel, Source: call.Proxy.ID,
		Type: proxy.EventType(call.Redact.Event(e.Name)),
		Data: []byte(call.Redact.Event(string(e.Data))), ContentType: "text/plain; charset=utf-8",
	}
}
