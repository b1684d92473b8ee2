// Command bootstrap is the function that serves the API.
package main

import (
	"context"
	"strings"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/hookcast/hookcast/functions/admin"
	"github.com/hookcast/hookcast/functions/internal/gateway"
	"github.com/hookcast/hookcast/infra/awsenv"
	"github.com/hookcast/hookcast/infra/certificates"
	"github.com/hookcast/hookcast/infra/dynamo"
	"github.com/hookcast/hookcast/infra/kms"
	"github.com/hookcast/hookcast/infra/sqs"
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
	"github.com/hookcast/hookcast/tenants/source"
	"github.com/hookcast/hookcast/tenants/token"
)

const maxBody = 1<<20 + 64<<10 // bytes; the streaming tier has the same limit

func main() {
	env := awsenv.Start("admin", awsenv.Table, awsenv.IngestQueue, awsenv.DeliverQueue, awsenv.WaitingQueue,
		awsenv.KMSKey, awsenv.PublicURL, awsenv.OwnHosts, awsenv.InboxPrefix, awsenv.Signup, awsenv.OperatorKeyHash)
	table := dynamo.Open(dynamodb.NewFromConfig(env.Config), env.Get(awsenv.Table))
	key := env.Get(awsenv.KMSKey)
	vault := kms.New(env.Config, key, key)
	queues := sqs.New(env.Config)
	inboxes := queues.Inboxes(env.Get(awsenv.InboxPrefix))
	deployment, err := keyring.Open(context.Background(), table, vault)
	env.Must(err)
	accounts := account.NewAccounts(table, account.NewNews(table, inboxes))
	signers := account.NewSigners(accounts, vault, deployment)
	keys := account.NewKeys(accounts, signers)
	env.Must(keys.EnsureOperatorHash(context.Background(), env.Get(awsenv.OperatorKeyHash)))
	policies := access.NewPolicies(table, accounts)
	gate, err := access.NewGate(policies)
	env.Must(err)
	filters, err := filter.New()
	env.Must(err)
	reach := egress.New(egress.Options{AllowPrivate: env.AllowsPrivate(),
		OwnHosts: strings.Split(env.Get(awsenv.OwnHosts), ",")})
	endpoints := endpoint.NewEndpoints(table, accounts, vault, deployment, endpoint.Options{
		Filter: filters, Destinations: reach, Challenge: !env.AllowsPrivate(),
	})
	channels, interest := eventlog.New(table), node.NewInterest(table)
	connections := node.NewConnections(table, inboxes)
	deliveries := delivery.NewDeliveries(&delivery.Outbox{
		Table: table, Log: channels, Endpoints: endpoints, Tenants: accounts, Logger: env.Logger,
		Ready: queues.Queue(env.Get(awsenv.DeliverQueue)), Waiting: queues.Queue(env.Get(awsenv.WaitingQueue)),
	})
	in := intake.NewIntake(accounts, channels, queues.Queue(env.Get(awsenv.IngestQueue)))
	handler := admin.Handler(api.New(api.Options{
		Table: table, Accounts: accounts, Erasure: erasure.NewErasure(table, accounts), Keys: keys,
		Sources:  source.NewSources(table, accounts, vault, deployment),
		Verifier: source.NewVerifier(certificates.New(certificates.Options{})), Log: channels,
		Publisher: intake.NewPublisher(in), Jobs: job.NewJobs(table, in, deployment),
		Endpoints: endpoints, Probe: endpoint.NewProbe(endpoints, reach), Deliveries: deliveries, Recovery: deliveries,
		Proxies: proxy.NewProxies(table, accounts, vault, reach),
		Tokens:  token.New(table, accounts, signers), Gate: gate, Policies: policies, Cursors: deployment.Cursors(),
		Logger: env.Logger, SignupOpen: env.SignupOpen(), PublicURL: env.Get(awsenv.PublicURL),
		Subscribers: admin.Subscribers(interest, env.Logger), Left: admin.Left(interest, env.Logger),
		Connections: connections, Usage: projection.NewMonthlyUsage(table), Index: projection.NewEventIndex(table),
		Audit: account.NewAuditLog(table), Observe: admin.Observe,
	}), api.OpenAPI)
	env.Ready()
	lambda.Start(gateway.New(gateway.Options{Handler: handler, Logger: env.Logger, MaxBody: maxBody,
		Measure: env.Measure}))
}
