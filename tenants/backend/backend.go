// Package backend wires the domain over the ports: the one composition that every process which serves the API stands
// on. A main brings adapters and settings, and runs what the process is for. Functions that need a part of the domain
// alone (ingest, append, changes, deliver, sweep) wire that part themselves, so that they link nothing else.
package backend

import (
	"context"
	"log/slog"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/api"
	"github.com/hookcast/hookcast/tenants/delivery"
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
	"github.com/hookcast/hookcast/tenants/source"
	"github.com/hookcast/hookcast/tenants/token"
)

// Reach makes requests to addresses that tenants choose; package egress's Egress is one.
type Reach interface {
	tenants.Destinations
	tenants.Opener
	tenants.Sender
}

// Options are the adapters and settings of a Backend. All are required.
type Options struct {
	Table          tenants.Table
	Vault          tenants.Vault
	Inboxes        tenants.Inboxes // of all streaming nodes
	Ingest         tenants.Queue   // FIFO, a group per channel
	Ready, Waiting tenants.Queue   // of deliveries: FIFO with a group per lane; without groups
	Certificates   tenants.Certificates
	Reach          Reach
	Challenge      bool // an endpoint is pending until its URL has answered the ownership challenge
	Logger         *slog.Logger
}

// Backend is the domain over one set of ports.
type Backend struct {
	Options
	Keyring     *keyring.Ring
	Accounts    *account.Accounts
	Keys        *account.Keys
	Tokens      *token.Tokens
	Policies    *access.Policies
	Gate        *access.Gate
	Sources     *source.Sources
	Verifier    source.Verifier
	Endpoints   *endpoint.Endpoints
	Proxies     *proxy.Proxies
	Log         *eventlog.Log
	Interest    *node.Interest
	Connections *node.Connections
	Intake      *intake.Intake
	Notices     *intake.Notices
	Jobs        *job.Jobs
	Outbox      *delivery.Outbox
	Usage       *projection.MonthlyUsage
	Index       *projection.EventIndex
	Erasure     *erasure.Erasure
}

// Open wires a Backend. It loads the deployment's root secret, or makes it where there is none; see [keyring.Open].
func Open(ctx context.Context, o Options) (*Backend, error) {
	ring, err := keyring.Open(ctx, o.Table, o.Vault)
	if err != nil {
		return nil, err
	}
	filters, err := filter.New()
	if err != nil {
		return nil, err
	}
	accounts := account.NewAccounts(o.Table, account.NewNews(o.Table, o.Inboxes))
	signers := account.NewSigners(accounts, o.Vault, ring)
	policies := access.NewPolicies(o.Table, accounts)
	gate, err := access.NewGate(policies)
	if err != nil {
		return nil, err
	}
	log := eventlog.New(o.Table)
	b := &Backend{
		Options: o, Keyring: ring, Accounts: accounts, Keys: account.NewKeys(accounts, signers),
		Tokens: token.New(o.Table, accounts, signers), Policies: policies, Gate: gate,
		Sources:  source.NewSources(o.Table, accounts, o.Vault, ring),
		Verifier: source.NewVerifier(o.Certificates),
		Endpoints: endpoint.NewEndpoints(o.Table, accounts, o.Vault, ring, endpoint.Options{
			Filter: filters, Destinations: o.Reach, Challenge: o.Challenge,
		}),
		Proxies: proxy.NewProxies(o.Table, accounts, o.Vault, o.Reach),
		Log:     log, Interest: node.NewInterest(o.Table), Connections: node.NewConnections(o.Table, o.Inboxes),
		Intake: intake.NewIntake(accounts, log, o.Ingest), Notices: intake.NewNotices(o.Ingest),
		Usage: projection.NewMonthlyUsage(o.Table), Index: projection.NewEventIndex(o.Table),
		Erasure: erasure.NewErasure(o.Table, accounts),
	}
	b.Erasure.Logger = o.Logger
	b.Jobs = job.NewJobs(o.Table, b.Intake, ring)
	b.Outbox = &delivery.Outbox{
		Table: o.Table, Log: log, Endpoints: b.Endpoints, Ready: o.Ready, Waiting: o.Waiting, Tenants: accounts,
		Notices: b.Notices, Logger: o.Logger,
	}
	return b, nil
}

// Forget makes the next look at the tenant's sources and proxies read anew.
func (b *Backend) Forget(t tenants.TenantID) {
	b.Sources.Forget(t)
	b.Proxies.Forget(t)
}

// APIOptions are the settings of the API in one process.
type APIOptions struct {
	SignupOpen bool
	PublicURL  string // base address of /in/{token}, as providers reach it
	// Subscribers counts the open subscriptions of a channel over all nodes. Nil: as their rows of interest say.
	Subscribers func(ctx context.Context, t tenants.TenantID, channel string) int
	// Observe is called with the tenant of each authenticated request.
	Observe func(context.Context, tenants.TenantID)
}

// API returns the admin API over the Backend.
func (b *Backend) API(o APIOptions) *api.API {
	if o.Subscribers == nil {
		o.Subscribers = b.Subscribers
	}
	deliveries := delivery.NewDeliveries(b.Outbox)
	return api.New(api.Options{
		Table: b.Table, Accounts: b.Accounts, Erasure: b.Erasure, Keys: b.Keys, Sources: b.Sources, Proxies: b.Proxies,
		Verifier: b.Verifier, Endpoints: b.Endpoints, Probe: endpoint.NewProbe(b.Endpoints, b.Reach),
		Recovery:   deliveries,
		Deliveries: deliveries, Log: b.Log, Publisher: intake.NewPublisher(b.Intake), Tokens: b.Tokens, Jobs: b.Jobs,
		Gate: b.Gate, Policies: b.Policies, Cursors: b.Keyring.Cursors(), Subscribers: o.Subscribers, Left: b.Left,
		Connections: b.Connections, Usage: b.Usage, Index: b.Index, Audit: account.NewAuditLog(b.Table),
		Logger:     b.Logger,
		SignupOpen: o.SignupOpen, PublicURL: o.PublicURL, Observe: o.Observe,
	})
}

// Subscribers counts the open subscriptions of a channel over all nodes. If they cannot be counted it logs why and
// returns 0: the number stands beside an answer that does not depend on it.
func (b *Backend) Subscribers(ctx context.Context, t tenants.TenantID, channel string) int {
	n, err := b.Interest.Subscribers(ctx, t, channel)
	if err != nil {
		b.Logger.WarnContext(ctx, "cannot count subscribers", "tenant", t, "error", err)
	}
	return n
}

// Left reports whether the client of a bound channel has left. If that cannot be found out it logs why and returns
// false.
func (b *Backend) Left(ctx context.Context, t tenants.TenantID, channel string) bool {
	left, err := b.Interest.Left(ctx, t, channel)
	if err != nil {
		b.Logger.WarnContext(ctx, "cannot tell whether a client has left", "tenant", t, "error", err)
	}
	return left && err == nil
}
