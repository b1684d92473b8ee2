// Command bootstrap is the function that delivers events to endpoints.
package main

import (
	"context"
	"strings"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/hookcast/hookcast/functions/deliver"
	"github.com/hookcast/hookcast/infra/awsenv"
	"github.com/hookcast/hookcast/infra/dynamo"
	"github.com/hookcast/hookcast/infra/kms"
	"github.com/hookcast/hookcast/infra/sqs"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/delivery"
	"github.com/hookcast/hookcast/tenants/egress"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/filter"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/keyring"
)

func main() {
	env := awsenv.Start("deliver", awsenv.Table, awsenv.IngestQueue, awsenv.DeliverQueue, awsenv.WaitingQueue,
		awsenv.KMSKey, awsenv.OwnHosts, awsenv.InboxPrefix)
	table := dynamo.Open(dynamodb.NewFromConfig(env.Config), env.Get(awsenv.Table))
	key := env.Get(awsenv.KMSKey)
	vault := kms.New(env.Config, key, key)
	queues := sqs.New(env.Config)
	deployment, err := keyring.Open(context.Background(), table, vault)
	env.Must(err)
	accounts := account.NewAccounts(table, account.NewNews(table, queues.Inboxes(env.Get(awsenv.InboxPrefix))))
	filters, err := filter.New()
	env.Must(err)
	reach := egress.New(egress.Options{AllowPrivate: env.AllowsPrivate(),
		OwnHosts: strings.Split(env.Get(awsenv.OwnHosts), ",")})
	deliverer := delivery.NewDeliverer(&delivery.Outbox{
		Table: table, Log: eventlog.New(table), Tenants: accounts, Logger: env.Logger,
		Endpoints: endpoint.NewEndpoints(table, accounts, vault, deployment,
			endpoint.Options{Filter: filters, Challenge: !env.AllowsPrivate()}),
		Ready: queues.Queue(env.Get(awsenv.DeliverQueue)), Waiting: queues.Queue(env.Get(awsenv.WaitingQueue)),
		Notices: intake.NewNotices(queues.Queue(env.Get(awsenv.IngestQueue))),
	}, reach)
	env.Ready()
	lambda.Start(deliver.Handler(deliver.Options{Deliverer: deliverer, Logger: env.Logger, Measure: env.Measure}))
}
