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
	"github.com/hookcast/hookcast/tenants/api"
	"github.com/hookcast/hookcast/tenants/egress"
	"github.com/hookcast/hookcast/tenants/filter"
	"github.com/hookcast/hookcast/tenants/token"
)

// trustedHops is the balancer.
const trustedHops = 1

// streamer is a node, wired.
type streamer struct {
	env   *awsenv.Env
	log   *slog.Logger
	node  *tenants.Node
	hub   *hub.Hub
	relay atomic.Pointer[relay.Relay]
	app   *tier.App
	jobs  *tenants.Jobs

	tracer *tenants.Tracer
}

// open joins the other nodes and wires everything.
func open(ctx context.Context, env *awsenv.Env) (*streamer, error) {
	s := &streamer{env: env, log: env.Logger}
	table := dynamo.Open(dynamodb.NewFromConfig(env.Config), env.Get(awsenv.Table))
	key := env.Get(awsenv.KMSKey)
	vault := kms.New(env.Config, key, key)
	queues := sqs.New(env.Config)
	inboxes := queues.Inboxes(env.Get(awsenv.InboxPrefix))
	deployment, err := tenants.OpenDeployment(ctx, table, vault)
	if err != nil {
		return nil, err
	}
	accounts := tenants.NewAccounts(table, tenants.NewNews(table, inboxes))
	signers := tenants.NewSigners(accounts, vault, deployment)
	keys := tenants.NewKeys(accounts, signers)
	if err := keys.EnsureOperatorHash(ctx, env.Get(awsenv.OperatorKeyHash)); err != nil {
		return nil, err
	}
	sources := tenants.NewSources(table, accounts, vault, deployment)
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
	endpoints := tenants.NewEndpoints(table, accounts, vault, deployment, tenants.EndpointOptions{
		Filter: filters, Destinations: reach, Challenge: !env.AllowsPrivate(),
	})
	proxies := tenants.NewProxies(table, accounts, vault, reach)
	rights := tier.Rights{Accounts: accounts, Keys: keys, Tokens: tokens, Gate: gate}
	s.node = tenants.NewNode(tenants.NodeOptions{
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
	channels, interest, connections := tenants.NewLog(table), tenants.NewInterest(table), tenants.NewConnections(table, inboxes)
	memory := relay.NewMemory(channels, interest)
	s.tracer = tenants.NewTracer(table, s.log)
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
	intake := tenants.NewIntake(accounts, channels, ingest)
	s.jobs = tenants.NewJobs(table, intake, deployment)
	s.jobs.Run(tenants.JobRunner{Endpoints: endpoints, Opener: reach})
	deliveries := tenants.NewDeliveries(&tenants.Outbox{
		Table: table, Log: channels, Endpoints: endpoints, Ready: queues.Queue(env.Get(awsenv.DeliverQueue)), Waiting: queues.Queue(env.Get(awsenv.WaitingQueue)),
		Tenants: accounts, Logger: s.log,
	})
	admission := tenants.NewSharedAdmission(s.node)
	admission.Notices = tenants.NewNotices(ingest)
	subscribers := func(ctx context.Context, t tenants.TenantID, channel string) int {
		n, err := interest.Subscribers(ctx, t, channel)
		warn(s.log, "subscribers could not be counted", err)
		return n
	}
	s.relay.Store(relay.New(relay.Options{
		Opener: reach, Memory: memory, Deliver: s.hub.Deliver, Runs: tenants.NewProxyRuns(table, inboxes), Feed: tenants.NewProxyFeed(intake, channels), Log: channels,
		Subscribers: subscribers, Node: s.node, Logger: s.log,
	}))
	s.app = tier.New(tier.Options{
		Hub: s.hub, Accounts: accounts, Keys: keys, Tokens: tokens, Gate: gate, Admission: admission, Proxies: proxies, Relay: s.relay.Load(),
		API: api.New(api.Options{
			Table: table, Accounts: accounts, Erasure: tenants.NewErasure(table, accounts), Keys: keys, Sources: sources, Judge: tenants.NewJudge(certificates.New(certificates.Options{})), Log: channels, Tokens: tokens, Gate: gate, Policies: policies,
			Endpoints: endpoints, Probe: tenants.NewProbe(endpoints, reach), Deliveries: deliveries, Recovery: deliveries,
			Publisher: tenants.NewPublisher(intake), Jobs: s.jobs,
			Cursors: deployment.Cursors(), Logger: s.log, SignupOpen: env.SignupOpen(), PublicURL: env.Get(awsenv.PublicURL),
			Subscribers: subscribers, Proxies: proxies,
			Left: func(ctx context.Context, t tenants.TenantID, channel string) bool {
				left, err := interest.Left(ctx, t, channel)
				warn(s.log, "whether a client has left could not be found out", err)
				return left
			},
			Connections: connections, Usage: tenants.NewMonthlyUsage(table), Index: tenants.NewEventIndex(table), Audit: tenants.NewAuditLog(table),
			Observe: tier.Observe,
		}),
		OpenAPI: api.OpenAPI, Logger: s.log, Ready: s.node.Ready, Tracer: s.tracer, TrustedHops: trustedHops,
	})
	return s, nil
}
