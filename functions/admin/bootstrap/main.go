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
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
	"github.com/hookcast/hookcast/tenants/api"
	"github.com/hookcast/hookcast/tenants/egress"
	"github.com/hookcast/hookcast/tenants/filter"
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
	deployment, err := tenants.OpenDeployment(context.Background(), table, vault)
	env.Must(err)
	accounts := tenants.NewAccounts(table, tenants.NewNews(table, inboxes))
	signers := tenants.NewSigners(accounts, vault, deployment)
	keys := tenants.NewKeys(accounts, signers)
	env.Must(keys.EnsureOperatorHash(context.Background(), env.Get(awsenv.OperatorKeyHash)))
	policies := access.NewPolicies(table, accounts)
	gate, err := access.NewGate(policies)
	env.Must(err)
	filters, err := filter.New()
	env.Must(err)
	reach := egress.New(egress.Options{AllowPrivate: env.AllowsPrivate(),
		OwnHosts: strings.Split(env.Get(awsenv.OwnHosts), ",")})
	endpoints := tenants.NewEndpoints(table, accounts, vault, deployment, tenants.EndpointOptions{
		Filter: filters, Destinations: reach, Challenge: !env.AllowsPrivate(),
	})
	channels, interest := tenants.NewLog(table), tenants.NewInterest(table)
	connections := tenants.NewConnections(table, inboxes)
	deliveries := tenants.NewDeliveries(&tenants.Outbox{
		Table: table, Log: channels, Endpoints: endpoints, Tenants: accounts, Logger: env.Logger,
		Ready: queues.Queue(env.Get(awsenv.DeliverQueue)), Waiting: queues.Queue(env.Get(awsenv.WaitingQueue)),
	})
	intake := tenants.NewIntake(accounts, channels, queues.Queue(env.Get(awsenv.IngestQueue)))
	handler := admin.Handler(api.New(api.Options{
		Table: table, Accounts: accounts, Erasure: tenants.NewErasure(table, accounts), Keys: keys,
		Sources: tenants.NewSources(table, accounts, vault, deployment),
		Judge:   tenants.NewJudge(certificates.New(certificates.Options{})), Log: channels,
		Publisher: tenants.NewPublisher(intake), Jobs: tenants.NewJobs(table, intake, deployment),
		Endpoints: endpoints, Probe: tenants.NewProbe(endpoints, reach), Deliveries: deliveries, Recovery: deliveries,
		Proxies: tenants.NewProxies(table, accounts, vault, reach),
		Tokens:  token.New(table, accounts, signers), Gate: gate, Policies: policies, Cursors: deployment.Cursors(),
		Logger: env.Logger, SignupOpen: env.SignupOpen(), PublicURL: env.Get(awsenv.PublicURL),
		Subscribers: admin.Subscribers(interest, env.Logger), Left: admin.Left(interest, env.Logger),
		Connections: connections, Usage: tenants.NewMonthlyUsage(table), Index: tenants.NewEventIndex(table),
		Audit: tenants.NewAuditLog(table), Observe: admin.Observe,
	}), api.OpenAPI)
	env.Ready()
	lambda.Start(gateway.New(gateway.Options{Handler: handler, Logger: env.Logger, MaxBody: maxBody,
		Measure: env.Measure}))
}
