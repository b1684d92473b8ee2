// Package tier wires one streaming node over a backend: its lease and inbox, the hub that holds its subscribers, the
// relay that runs upstreams, the connection quota that it shares with other nodes, and the HTTP server in front. One
// box and a node on AWS differ in what they bring, not in how it is put together.
package tier

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hookcast/hookcast/streamer"
	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/streamer/relay"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/api"
	"github.com/hookcast/hookcast/tenants/backend"
	"github.com/hookcast/hookcast/tenants/job"
	"github.com/hookcast/hookcast/tenants/node"
	"github.com/hookcast/hookcast/tenants/proxy"
	"github.com/hookcast/hookcast/tenants/quota"
	"github.com/hookcast/hookcast/tenants/trace"
)

// leaveTime is how long a node may take to remove its rows when it ends. Another node, or the next start, removes the
// rest.
const leaveTime = 5 * time.Second

// Tier is one streaming node.
type Tier struct {
	Node   *node.Node
	Hub    *hub.Hub
	App    *streamer.App
	Tracer *trace.Tracer

	log    *slog.Logger
	jobs   *job.Jobs
	relay  atomic.Pointer[relay.Relay] // nil before Open
	forget atomic.Pointer[func(tenants.TenantID)]
}

// New makes a Tier whose node has not joined yet. Of o, Forget and LetGo are the Tier's own. A node that is alone is
// the Inboxes of its backend.
func New(o node.Options) *Tier {
	t := &Tier{log: o.Logger, Tracer: trace.NewTracer(o.Table, o.Logger)}
	o.Forget = func(id tenants.TenantID) {
		if f := t.forget.Load(); f != nil {
			(*f)(id)
		}
	}
	o.LetGo = func(id tenants.TenantID, run string) {
		if r := t.relay.Load(); r != nil { // before Open nothing runs here
			r.LetGo(id, run)
		}
	}
	t.Node = node.New(o)
	return t
}

// Options are the settings of a node's server.
type Options struct {
	SignupOpen         bool
	PublicURL          string       // base address of /in/{token}, as providers reach it
	Ingest             http.Handler // serves /in/…; nil: another host does
	Pages              http.Handler // serves every other path; nil: not found
	Metrics            func() []streamer.Metric
	TrustedHops        int // number of proxies in front that append to X-Forwarded-For
	ConnectionsPerPeer int // see streamer.Options
}

// Open wires the node, which has joined, over b.
func (t *Tier) Open(b *backend.Backend, o Options) {
	alone := t.Node.Options().Alone
	rights := streamer.Rights{Accounts: b.Accounts, Keys: b.Keys, Tokens: b.Tokens, Gate: b.Gate}
	forget := func(id tenants.TenantID) {
		rights.Forget(id)
		b.Forget(id)
	}
	t.forget.Store(&forget)
	memory := relay.NewMemory(b.Log, b.Interest)
	hubOptions := hub.Options{
		Log: memory, Interest: memory, Node: t.Node.ID(), Lease: t.Node.InterestUntil, Allowed: rights.Verdict,
		Hidden: rights.Hidden, Logger: t.log, Tracer: t.Tracer, Tracing: rights.Tracing,
		Retention: func(ctx context.Context, id tenants.TenantID) (tenants.Retention, error) {
			limits, err := b.Accounts.Limits(ctx, id)
			return limits.Retention(), err
		},
	}
	if alone {
		hubOptions.Count = -1 // no other process asks for the number of subscribers
	}
	t.Hub = hub.New(hubOptions)
	b.Connections.Local = t.Hub
	subscribers := b.Subscribers
	if alone {
		subscribers = func(_ context.Context, id tenants.TenantID, channel string) int {
			return t.Hub.Subscribers(id, channel)
		}
	}
	t.jobs = b.Jobs
	t.jobs.UseRunner(job.Runner{Endpoints: b.Endpoints, Opener: b.Reach})
	r := relay.New(relay.Options{
		Opener: b.Reach, Memory: memory, Deliver: t.Hub.Deliver, Runs: proxy.NewRuns(b.Table, b.Inboxes),
		Feed: proxy.NewFeed(b.Intake, b.Log), Log: b.Log, Subscribers: subscribers, Node: t.Node, Logger: t.log,
	})
	t.relay.Store(r)
	admission := quota.NewShared(t.Node)
	admission.Notices = b.Notices
	t.App = streamer.New(streamer.Options{
		Hub: t.Hub, Accounts: b.Accounts, Keys: b.Keys, Tokens: b.Tokens, Gate: b.Gate, Admission: admission,
		Proxies: b.Proxies, Relay: r, Ingest: o.Ingest, Pages: o.Pages, OpenAPI: api.OpenAPI, Logger: t.log,
		API: b.API(backend.APIOptions{
			SignupOpen: o.SignupOpen, PublicURL: o.PublicURL, Subscribers: subscribers, Observe: streamer.Observe,
		}),
		Ready: t.ready, Metrics: o.Metrics, Tracer: t.Tracer, TrustedHops: o.TrustedHops,
		ConnectionsPerPeer: o.ConnectionsPerPeer,
	})
}

// ready is the node's readiness. A node that is alone needs no other to know it.
func (t *Tier) ready() error {
	if t.Node.Options().Alone {
		return nil
	}
	return t.Node.Ready()
}

// Run runs the node until ctx ends, and then ends its upstreams. Call Leave when nothing sends to the node any more.
func (t *Tier) Run(ctx context.Context) {
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	var work sync.WaitGroup
	work.Go(func() { t.Node.Run(working, t.Hub) })
	work.Go(func() { t.Tracer.Run(working) })
	work.Go(func() {
		t.jobs.Watch(working, func(err error) { t.log.Warn("some jobs could not be looked at", "error", err) })
	})
	<-ctx.Done()
	t.relay.Load().Close() // while the others can still learn that they may continue
	stop()
	work.Wait()
}

// Leave removes the node's rows and inbox.
func (t *Tier) Leave() {
	leaving, cancel := context.WithTimeout(context.Background(), leaveTime)
	defer cancel()
	if err := t.Node.Leave(leaving); err != nil {
		t.log.Warn("the node could not remove all of its rows", "error", err)
	}
}

// Close ends the hub and the upstreams. A Tier that was never opened holds nothing.
func (t *Tier) Close() {
	if r := t.relay.Load(); r != nil {
		r.Close()
	}
	if t.Hub != nil {
		t.Hub.Close()
	}
}
