package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/hookcast/hookcast/functions/ingest"
	"github.com/hookcast/hookcast/infra/certificates"
	"github.com/hookcast/hookcast/infra/keyfile"
	"github.com/hookcast/hookcast/infra/privatefile"
	"github.com/hookcast/hookcast/infra/sqlite"
	"github.com/hookcast/hookcast/streamer"
	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/streamer/relay"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/api"
	"github.com/hookcast/hookcast/tenants/delivery"
	"github.com/hookcast/hookcast/tenants/egress"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/erasure"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/job"
	"github.com/hookcast/hookcast/tenants/keyring"
	"github.com/hookcast/hookcast/tenants/node"
	"github.com/hookcast/hookcast/tenants/projection"
	"github.com/hookcast/hookcast/tenants/proxy"
	"github.com/hookcast/hookcast/tenants/quota"
	"github.com/hookcast/hookcast/tenants/source"
	"github.com/hookcast/hookcast/tenants/token"
	"github.com/hookcast/hookcast/tenants/trace"
)

// leaveTime is how long the node may take to remove what it has in the table. The next start removes it too.
const leaveTime = 5 * time.Second

// connectionsPerPeer leaves room for an office behind one address, and none for who wants to have all connections.
const connectionsPerPeer = 1_000

// box is the whole product, wired.
type box struct {
	c          config
	log        *slog.Logger
	db         *sqlite.DB
	node       *node.Node
	hub        *hub.Hub
	relay      *relay.Relay
	app        *streamer.App
	channels   *eventlog.Log
	queue      *sqlite.Queue
	appender   *intake.Appender
	tracer     *trace.Tracer
	usage      *projection.MonthlyUsage
	changes    *sqlite.Feed // for usage
	index      *projection.EventIndex
	indexed    *sqlite.Feed // for the index
	erasure    *erasure.Erasure
	deliveries *deliveries
	accounts   *account.Accounts
	jobs       *job.Jobs
	endpoints  *endpoint.Endpoints
	reach      *egress.Egress // what endpoints are posted to by
	demo       *demo
	operator   string // the file that holds the operator's key
	firstTime  bool
}

// open makes or opens the folder and wires everything over it. Whoever gets a box closes it.
func open(ctx context.Context, c config, log *slog.Logger) (_ *box, err error) {
	b := &box{c: c, log: log, operator: filepath.Join(c.data, "operator.key")}
	if err := os.MkdirAll(c.data, 0o700); err != nil {
		return nil, err
	}
	vault, err := keyfile.Open(filepath.Join(c.data, "vault.key"))
	if err != nil {
		return nil, err
	}
	path := filepath.Join(c.data, "hookcast.db")
	if b.db, err = sqlite.Open(ctx, path, sqlite.Options{Synchronous: c.synchronous, Feeds: delivery.HoldsEvents}); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	defer func() {
		if err != nil {
			b.close()
		}
	}()

	table := b.db.Table()
	deployment, err := keyring.Open(ctx, table, vault)
	if tenants.CodeOf(err) == "unsealable" {
		return nil, fmt.Errorf("%s was sealed with another %s: bring back the one that belongs to it", path, filepath.Join(c.data, "vault.key"))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	forget := func(tenants.TenantID) {} // until there is something to forget
	b.node = node.New(node.Options{
		Table: table, Alone: true, Forget: func(t tenants.TenantID) { forget(t) }, Logger: log,
		LetGo: func(t tenants.TenantID, run string) { b.relay.LetGo(t, run) },
	})
	if err := b.node.Join(ctx); err != nil {
		return nil, err
	}
	b.accounts = account.NewAccounts(table, account.NewNews(table, b.node))
	signers := account.NewSigners(b.accounts, vault, deployment)
	keys := account.NewKeys(b.accounts, signers)
	sources := source.NewSources(table, b.accounts, vault, deployment)
	tokens := token.New(table, b.accounts, signers)
	policies := access.NewPolicies(table, b.accounts)
	gate, err := access.NewGate(policies)
	if err != nil {
		return nil, err
	}
	channels := eventlog.New(table)
	b.channels = channels
	b.queue = b.db.Queue("ingest", sqlite.QueueOptions{Visibility: 30 * time.Second, MaxReceives: 20})
	in := intake.NewIntake(b.accounts, channels, b.queue)
	publisher := intake.NewPublisher(in)
	b.jobs = job.NewJobs(table, in, deployment)
	verifier := source.NewVerifier(certificates.New(certificates.Options{}))

	interest := node.NewInterest(table)
	b.tracer = trace.NewTracer(table, log)
	rights := streamer.Rights{Accounts: b.accounts, Keys: keys, Tokens: tokens, Gate: gate}
	memory := relay.NewMemory(channels, interest)
	b.hub = hub.New(hub.Options{
		Log: memory, Interest: memory, Node: b.node.ID(), Lease: b.node.InterestUntil, Allowed: rights.Verdict, Hidden: rights.Hidden, Logger: log,
		Tracer: b.tracer, Tracing: rights.Tracing,
		Count: -1, // nobody else asks how many subscribers there are
		Retention: func(ctx context.Context, t tenants.TenantID) (tenants.Retention, error) {
			limits, err := b.accounts.Limits(ctx, t)
			return tenants.Retention{Events: limits.RetentionEvents, Seconds: limits.RetentionSeconds}, err
		},
	})
	var proxies *proxy.Proxies
	forget = func(t tenants.TenantID) {
		rights.Forget(t)
		sources.Forget(t)
		if proxies != nil {
			proxies.Forget(t)
		}
	}
	b.appender = intake.NewAppender(channels, interest, b.node, b.queue)
	b.appender.Tenants, b.appender.Tracer, b.appender.Logger = b.accounts, b.tracer, log

	if err := b.ensureOperator(ctx, keys); err != nil {
		return nil, err
	}
	if c.demo {
		if b.demo, err = openDemo(ctx, b.c, b.log, b.accounts, sources, tokens, channels); err != nil {
			return nil, fmt.Errorf("demo: %w", err)
		}
	}
	if err := b.openEndpoints(vault, deployment); err != nil {
		return nil, err
	}
	b.jobs.UseRunner(job.Runner{Endpoints: b.endpoints, Opener: b.reach})
	if err := b.openDeliveries(ctx, channels); err != nil {
		return nil, err
	}
	steering := delivery.NewDeliveries(b.deliveries.outbox)
	subscribers := func(_ context.Context, t tenants.TenantID, channel string) int { return b.hub.Subscribers(t, channel) }
	proxies = proxy.NewProxies(table, b.accounts, vault, b.reach)
	b.relay = relay.New(relay.Options{
		Opener: b.reach, Memory: memory, Deliver: b.hub.Deliver, Runs: proxy.NewRuns(table, b.node), Feed: proxy.NewFeed(in, channels), Log: channels,
		Subscribers: subscribers, Node: b.node, Logger: log,
	})
	b.usage = projection.NewMonthlyUsage(table)
	if b.changes, err = b.db.Feed(ctx, "usage"); err != nil {
		return nil, err
	}
	b.erasure = erasure.NewErasure(table, b.accounts)
	b.erasure.Logger = log
	b.index = projection.NewEventIndex(table)
	if b.indexed, err = b.db.Feed(ctx, "index"); err != nil {
		return nil, err
	}
	connections := node.NewConnections(table, b.node)
	connections.Local = b.hub
	admission := quota.NewShared(b.node)
	admission.Notices = intake.NewNotices(b.queue)
	o := streamer.Options{
		Hub: b.hub, Accounts: b.accounts, Keys: keys, Tokens: tokens, Gate: gate, Admission: admission, Proxies: proxies, Relay: b.relay,
		API: api.New(api.Options{
			Table: table, Accounts: b.accounts, Erasure: b.erasure, Keys: keys, Sources: sources, Verifier: verifier, Endpoints: b.endpoints, Probe: endpoint.NewProbe(b.endpoints, b.reach),
			Deliveries: steering, Recovery: steering, Log: channels, Publisher: publisher, Jobs: b.jobs, Tokens: tokens, Gate: gate, Policies: policies,
			Cursors: deployment.Cursors(), Logger: log, SignupOpen: c.signup, PublicURL: c.publicURL,
			Subscribers: subscribers, Proxies: proxies,
			Left: func(ctx context.Context, t tenants.TenantID, channel string) bool {
				left, err := interest.Left(ctx, t, channel)
				return err == nil && left
			},
			Connections: connections, Usage: b.usage, Index: b.index, Audit: account.NewAuditLog(table),
			Observe: streamer.Observe,
		}),
		Ingest: ingest.Handler(ingest.Options{
			Receiver: intake.NewReceiver(sources, verifier, in), Logger: log, PublicURL: c.publicURL, MaxBody: tenants.MaxEventBytes, Observe: streamer.Observe,
		}),
		OpenAPI: api.OpenAPI, Logger: log, TrustedHops: c.trustedHops, Metrics: b.metrics, Tracer: b.tracer,
	}
	if c.trustedHops == 0 {
		o.ConnectionsPerPeer = connectionsPerPeer
	}
	if b.demo != nil {
		o.Pages = b.demo
	}
	b.app = streamer.New(o)
	return b, nil
}

// ensureOperator makes the operator's key on the first start, and holds the deployment to the key in the file ever after: whoever can
// write the folder is the operator.
func (b *box) ensureOperator(ctx context.Context, keys *account.Keys) error {
	text, err := os.ReadFile(b.operator)
	if errors.Is(err, os.ErrNotExist) {
		b.firstTime = true
		text = []byte(account.NewOperatorKey() + "\n")
		err = privatefile.ReplaceDurably(b.operator, text)
	}
	if err != nil {
		return err
	}
	if err := keys.EnsureOperator(ctx, strings.TrimSpace(string(text))); err != nil {
		return fmt.Errorf("%s: %w", b.operator, err)
	}
	return nil
}

// serve serves on ln until ctx ends, then sends the streams away spread over the drain time and ends what is under way: streams have -drain, other
// requests twice that and 3 s, attempts to deliver 5 s from when ctx ends. What is left behind these is broken off. An attempt that is broken off is made
// again after the next start.
func (b *box) serve(ctx context.Context, ln net.Listener) error {
	working, stop := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { b.appender.Run(working, 4) })
	work.Go(func() { b.node.Run(working, b.hub) })
	work.Go(func() { b.tracer.Run(working) })
	work.Go(func() { b.usage.Run(working, b.changes, b.log) })
	work.Go(func() { b.index.Run(working, b.indexed, b.log) })
	work.Go(func() { b.erasure.Watch(working) })
	work.Go(func() {
		b.jobs.Watch(working, func(err error) { b.log.Warn("jobs could not all be looked at", "error", err) })
	})
	work.Go(func() { b.deliveries.dispatcher.Run(working, b.deliveries.feed) })
	delivering, rest := context.WithCancel(ctx) // ends before working does: attempts end while the streams leave
	work.Go(func() { b.deliveries.deliverer.Run(delivering, deliverWorkers) })
	defer func() {
		b.relay.Close() // while there is still somebody who takes what it has to say
		rest()
		stop()
		work.Wait()
		leaving, cancel := context.WithTimeout(context.Background(), leaveTime)
		defer cancel()
		if err := b.node.Leave(leaving); err != nil {
			b.log.Warn("the node has left something behind", "error", err)
		}
	}()
	served := make(chan error, 1)
	go func() { served <- b.app.Serve(ln) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	b.log.Info("draining", "for", b.c.drain)
	// Requests that are under way have as long again to end.
	draining, cancel := context.WithTimeout(context.Background(), 2*b.c.drain+3*time.Second)
	defer cancel()
	err := b.app.Drain(draining, b.c.drain)
	<-served
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil // whoever is still there has had the time that there was
	}
	return err
}

func (b *box) close() {
	if b.relay != nil {
		b.relay.Close()
	}
	if b.hub != nil {
		b.hub.Close()
	}
	if b.reach != nil {
		b.reach.Close()
	}
	if b.db != nil {
		if err := b.db.Close(); err != nil {
			b.log.Error("closing the database", "error", err)
		}
	}
}

func (b *box) metrics() []streamer.Metric {
	s := b.db.Stats()
	return append(b.deliveries.metrics(), []streamer.Metric{
		{Name: "hookcast_storage_calls_total", Help: "Calls that write.", Counter: true, Value: float64(s.Calls)},
		{Name: "hookcast_storage_commits_total", Help: "Transactions.", Counter: true, Value: float64(s.Commits)},
		{Name: "hookcast_storage_syncs_total", Help: "Transactions that waited for the disk.", Counter: true, Value: float64(s.Syncs)},
		{Name: "hookcast_storage_failed_total", Help: "Transactions that were taken back.", Counter: true, Value: float64(s.Failed)},
	}...)
}
