package main

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/hookcast/hookcast/infra/awsenv"
	"github.com/hookcast/hookcast/infra/certificates"
	"github.com/hookcast/hookcast/infra/dynamo"
	"github.com/hookcast/hookcast/infra/kms"
	"github.com/hookcast/hookcast/infra/sqs"
	tier "github.com/hookcast/hookcast/streamer"
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
	"github.com/hookcast/hookcast/tenants/filter"
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

// trustedHops is the balancer.
const trustedHops = 1

// streamer is a node, wired.
type streamer struct {
	env   *awsenv.Env
	log   *slog.Logger
	node  *node.Node
	hub   *hub.Hub
	relay atomic.Pointer[relay.Relay]
	app   *tier.App
	jobs  *job.Jobs

	tracer *trace.Tracer
}

// open joins the other nodes and wires everything.
func open(ctx context.Context, env *awsenv.Env) (*streamer, error) {
	s := &streamer{env: env, log: env.Logger}
	table := dynamo.Open(dynamodb.NewFromConfig(env.Config), env.Get(awsenv.Table))
	key := env.Get(awsenv.KMSKey)
	vault := kms.New(env.Config, key, key)
	queues := sqs.New(env.Config)
	inboxes := queues.Inboxes(env.Get(awsenv.InboxPrefix))
	deployment, err := keyring.Open(ctx, table, vault)
	if err != nil {
		return nil, err
	}
	accounts := account.NewAccounts(table, account.NewNews(table, inboxes))
	signers := account.NewSigners(accounts, vault, deployment)
	keys := account.NewKeys(accounts, signers)
	if err := keys.EnsureOperatorHash(ctx, env.Get(awsenv.OperatorKeyHash)); err != nil {
		return nil, err
	}
	sources := source.NewSources(table, accounts, vault, deployment)
	tokens := token.New(table, accounts, signers)
	policies := access.NewPolicies(table, accounts)
	gate, err := access.NewGate(policies)
	if err != nil {
		return nil, err
	}
	filters, err := filter.New()
	if err != nil {
		return nil, err
	}
	reach := egress.New(egress.Options{AllowPrivate: env.AllowsPrivate(), OwnHosts: strings.Split(env.Get(awsenv.OwnHosts), ",")})
	endpoints := endpoint.NewEndpoints(table, accounts, vault, deployment, endpoint.Options{
		Filter: filters, Destinations: reach, Challenge: !env.AllowsPrivate(),
	})
	proxies := proxy.NewProxies(table, accounts, vault, reach)
	rights := tier.Rights{Accounts: accounts, Keys: keys, Tokens: tokens, Gate: gate}
	s.node = node.New(node.Options{
		Table: table, Inboxes: inboxes, Maker: inboxes, Logger: s.log,
		Open: func(node string) tenants.Inbox {
			inbox := inboxes.Open(node)
			inbox.Logger = s.log
			return inbox
		},
		Forget: func(t tenants.TenantID) {
			rights.Forget(t)
			sources.Forget(t)
			proxies.Forget(t)
		},
		LetGo: func(t tenants.TenantID, run string) {
			if r := s.relay.Load(); r != nil { // told before there is one: nothing runs here yet
				r.LetGo(t, run)
			}
		},
	})
	if err := s.node.Join(ctx); err != nil {
		return nil, err
	}
	channels, interest, connections := eventlog.New(table), node.NewInterest(table), node.NewConnections(table, inboxes)
	memory := relay.NewMemory(channels, interest)
	s.tracer = trace.NewTracer(table, s.log)
	s.hub = hub.New(hub.Options{
		Log: memory, Interest: memory, Node: s.node.ID(), Lease: s.node.InterestUntil, Allowed: rights.Verdict, Hidden: rights.Hidden, Logger: s.log,
		Tracer: s.tracer, Tracing: rights.Tracing,
		Retention: func(ctx context.Context, t tenants.TenantID) (tenants.Retention, error) {
			limits, err := accounts.Limits(ctx, t)
			return limits.Retention(), err
		},
	})
	connections.Local = s.hub
	ingest := queues.Queue(env.Get(awsenv.IngestQueue))
	in := intake.NewIntake(accounts, channels, ingest)
	s.jobs = job.NewJobs(table, in, deployment)
	s.jobs.UseRunner(job.Runner{Endpoints: endpoints, Opener: reach})
	deliveries := delivery.NewDeliveries(&delivery.Outbox{
		Table: table, Log: channels, Endpoints: endpoints, Ready: queues.Queue(env.Get(awsenv.DeliverQueue)), Waiting: queues.Queue(env.Get(awsenv.WaitingQueue)),
		Tenants: accounts, Logger: s.log,
	})
	admission := quota.NewShared(s.node)
	admission.Notices = intake.NewNotices(ingest)
	subscribers := func(ctx context.Context, t tenants.TenantID, channel string) int {
		n, err := interest.Subscribers(ctx, t, channel)
		warn(s.log, "subscribers could not be counted", err)
		return n
	}
	s.relay.Store(relay.New(relay.Options{
		Opener: reach, Memory: memory, Deliver: s.hub.Deliver, Runs: proxy.NewRuns(table, inboxes), Feed: proxy.NewFeed(in, channels), Log: channels,
		Subscribers: subscribers, Node: s.node, Logger: s.log,
	}))
	s.app = tier.New(tier.Options{
		Hub: s.hub, Accounts: accounts, Keys: keys, Tokens: tokens, Gate: gate, Admission: admission, Proxies: proxies, Relay: s.relay.Load(),
		API: api.New(api.Options{
			Table: table, Accounts: accounts, Erasure: erasure.NewErasure(table, accounts), Keys: keys, Sources: sources, Verifier: source.NewVerifier(certificates.New(certificates.Options{})), Log: channels, Tokens: tokens, Gate: gate, Policies: policies,
			Endpoints: endpoints, Probe: endpoint.NewProbe(endpoints, reach), Deliveries: deliveries, Recovery: deliveries,
			Publisher: intake.NewPublisher(in), Jobs: s.jobs,
			Cursors: deployment.Cursors(), Logger: s.log, SignupOpen: env.SignupOpen(), PublicURL: env.Get(awsenv.PublicURL),
			Subscribers: subscribers, Proxies: proxies,
			Left: func(ctx context.Context, t tenants.TenantID, channel string) bool {
				left, err := interest.Left(ctx, t, channel)
				warn(s.log, "whether a client has left could not be found out", err)
				return left
			},
			Connections: connections, Usage: projection.NewMonthlyUsage(table), Index: projection.NewEventIndex(table), Audit: account.NewAuditLog(table),
			Observe: tier.Observe,
		}),
		OpenAPI: api.OpenAPI, Logger: s.log, Ready: s.node.Ready, Tracer: s.tracer, TrustedHops: trustedHops,
	})
	return s, nil
}
