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
	"github.com/hookcast/hookcast/streamer/tier"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/backend"
	"github.com/hookcast/hookcast/tenants/delivery"
	"github.com/hookcast/hookcast/tenants/egress"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/node"
)

// connectionsPerPeer leaves room for an office behind one address, and keeps one client from taking all connections.
const connectionsPerPeer = 1_000

// box is the whole product in one process.
type box struct {
	*backend.Backend
	*tier.Tier

	c         config
	log       *slog.Logger
	db        *sqlite.DB
	reach     *egress.Egress // makes the requests to tenants' addresses
	appender  *intake.Appender
	counted   *sqlite.Feed // for the monthly usage
	indexed   *sqlite.Feed // for the index
	out       *deliveries
	demo      *demo
	operator  string // path of the file that holds the operator's key
	firstTime bool
}

// open creates or opens the data folder and connects all parts to it. The caller must close the box.
func open(ctx context.Context, c config, log *slog.Logger) (_ *box, err error) {
	b := &box{c: c, log: log, operator: filepath.Join(c.data, "operator.key")}
	if err := os.MkdirAll(c.data, 0o700); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if err := b.openBackend(ctx); err != nil {
		return nil, err
	}
	if err := b.ensureOperator(ctx); err != nil {
		return nil, err
	}
	if c.demo {
		if b.demo, err = openDemo(ctx, b); err != nil {
			return nil, fmt.Errorf("demo: %w", err)
		}
	}
	b.appender = intake.NewAppender(b.Log, b.Interest, b.Node, b.Ingest)
	b.appender.Tenants, b.appender.Tracer, b.appender.Logger = b.Accounts, b.Tracer, log
	if b.counted, err = b.db.Feed(ctx, "usage"); err != nil {
		return nil, err
	}
	if b.indexed, err = b.db.Feed(ctx, "index"); err != nil {
		return nil, err
	}
	if err := b.openDeliveries(ctx); err != nil {
		return nil, err
	}
	o := tier.Options{
		SignupOpen: c.signup, PublicURL: c.publicURL, Metrics: b.metrics, TrustedHops: c.trustedHops,
		Ingest: ingest.Handler(ingest.Options{
			Receiver: intake.NewReceiver(b.Sources, b.Verifier, b.Intake), Logger: log, PublicURL: c.publicURL,
			MaxBody: tenants.MaxEventBytes, Observe: streamer.Observe,
		}),
	}
	if c.trustedHops == 0 {
		o.ConnectionsPerPeer = connectionsPerPeer
	}
	if b.demo != nil {
		o.Pages = b.demo
	}
	b.Open(b.Backend, o)
	return b, nil
}

// openBackend opens the database and the vault, joins as the only node, and wires the domain over them. A message stays
// its delivery worker's for longer than an attempt takes; after a crash it waits that long.
func (b *box) openBackend(ctx context.Context) error {
	key := filepath.Join(b.c.data, "vault.key")
	vault, err := keyfile.Open(key)
	if err != nil {
		return err
	}
	path := filepath.Join(b.c.data, "hookcast.db")
	b.db, err = sqlite.Open(ctx, path, sqlite.Options{Synchronous: b.c.synchronous, Feeds: delivery.HoldsEvents})
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	b.Tier = tier.New(node.Options{Table: b.db.Table(), Alone: true, Logger: b.log})
	if err := b.Node.Join(ctx); err != nil {
		return err
	}
	b.reach = egress.New(egress.Options{AllowPrivate: b.c.allowPrivate, OwnHosts: ownHosts(b.c.publicURL)})
	deliver := sqlite.QueueOptions{Visibility: delivery.AttemptTime + 20*time.Second, MaxReceives: 50}
	b.Backend, err = backend.Open(ctx, backend.Options{
		Table: b.db.Table(), Vault: vault, Inboxes: b.Node,
		Ingest: b.db.Queue("ingest", sqlite.QueueOptions{Visibility: 30 * time.Second, MaxReceives: 20}),
		Ready:  b.db.Queue("deliver", deliver), Waiting: b.db.Queue("deliver-waiting", deliver),
		Certificates: certificates.New(certificates.Options{}), Reach: b.reach, Challenge: !b.c.allowPrivate,
		Logger: b.log,
	})
	if tenants.CodeOf(err) == "unsealable" {
		return fmt.Errorf("%s was sealed with another key than %s: restore the key file that belongs to it", path, key)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// ensureOperator creates the operator's key on the first start, and later sets the deployment's key to the one in the
// file: a user who can write to the folder is the operator.
func (b *box) ensureOperator(ctx context.Context) error {
	text, err := os.ReadFile(b.operator)
	if errors.Is(err, os.ErrNotExist) {
		b.firstTime = true
		text = []byte(account.NewOperatorKey() + "\n")
		err = privatefile.ReplaceDurably(b.operator, text)
	}
	if err != nil {
		return err
	}
	if err := b.Keys.EnsureOperator(ctx, strings.TrimSpace(string(text))); err != nil {
		return fmt.Errorf("%s: %w", b.operator, err)
	}
	return nil
}

// serve serves on ln until ctx ends. Then it closes the streams, spread over the drain time, and waits for work in
// progress: streams have -drain, other requests twice that and 3 s, and delivery attempts 5 s from the end of ctx.
// Later work is cancelled. A cancelled attempt is repeated after the next start.
func (b *box) serve(ctx context.Context, ln net.Listener) error {
	streaming, endStreaming := context.WithCancel(context.Background())
	var streams sync.WaitGroup
	streams.Go(func() { b.Tier.Run(streaming) })
	working, stop := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { b.appender.Run(working, 4) })
	work.Go(func() { b.Usage.Run(working, b.counted, b.log) })
	work.Go(func() { b.Index.Run(working, b.indexed, b.log) })
	work.Go(func() { b.Erasure.Watch(working) })
	work.Go(func() { b.out.dispatcher.Run(working, b.out.feed) })
	delivering, rest := context.WithCancel(ctx) // ends before working does: attempts end while the streams leave
	work.Go(func() { b.out.deliverer.Run(delivering, deliverWorkers) })
	defer func() {
		endStreaming()
		streams.Wait() // while the appender still takes what upstreams have left
		rest()
		stop()
		work.Wait()
		b.Leave()
	}()
	served := make(chan error, 1)
	go func() { served <- b.App.Serve(ln) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	b.log.Info("draining", "for", b.c.drain)
	// Requests in progress get twice the time to end.
	draining, cancel := context.WithTimeout(context.Background(), 2*b.c.drain+3*time.Second)
	defer cancel()
	err := b.App.Drain(draining, b.c.drain)
	<-served
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil // the remaining requests have used up their time
	}
	return err
}

func (b *box) close() {
	if b.Tier != nil {
		b.Tier.Close()
	}
	if b.reach != nil {
		b.reach.Close()
	}
	if b.db != nil {
		if err := b.db.Close(); err != nil {
			b.log.Error("the database could not be closed", "error", err)
		}
	}
}

func (b *box) metrics() []streamer.Metric {
	s := b.db.Stats()
	return append(b.out.metrics(), []streamer.Metric{
		{Name: "hookcast_storage_calls_total", Help: "Write calls.", Counter: true, Value: float64(s.Calls)},
		{Name: "hookcast_storage_commits_total", Help: "Transactions.", Counter: true, Value: float64(s.Commits)},
		{Name: "hookcast_storage_syncs_total", Help: "Transactions that were synced to disk.", Counter: true,
			Value: float64(s.Syncs)},
		{Name: "hookcast_storage_failed_total", Help: "Transactions that were rolled back.", Counter: true,
			Value: float64(s.Failed)},
	}...)
}
