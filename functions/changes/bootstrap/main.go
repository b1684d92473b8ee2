// Command bootstrap is the function that follows the table's stream.
package main

import (
	"context"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/hookcast/hookcast/functions/changes"
	"github.com/hookcast/hookcast/infra/awsenv"
	"github.com/hookcast/hookcast/infra/dynamo"
	"github.com/hookcast/hookcast/infra/sqs"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/delivery"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/filter"
	"github.com/hookcast/hookcast/tenants/keyring"
	"github.com/hookcast/hookcast/tenants/node"
	"github.com/hookcast/hookcast/tenants/projection"
)

func main() {
	env := awsenv.Start("changes", awsenv.Table, awsenv.InboxPrefix, awsenv.DeliverQueue, awsenv.WaitingQueue)
	table := dynamo.Open(dynamodb.NewFromConfig(env.Config), env.Get(awsenv.Table))
	queues := sqs.New(env.Config)
	inboxes := queues.Inboxes(env.Get(awsenv.InboxPrefix))
	_, err := node.NewNodes(table).Live(context.Background())
	env.Must(err)
	filters, err := filter.New()
	env.Must(err)
	news := account.NewNews(table, inboxes)
	dispatcher := delivery.NewDispatcher(&delivery.Outbox{
		Table: table, Log: eventlog.New(table), Logger: env.Logger,
		// opens no secrets
		Endpoints: endpoint.NewEndpoints(table, account.NewAccounts(table, news), nil, new(keyring.Ring),
			endpoint.Options{Filter: filters}),
		Ready: queues.Queue(env.Get(awsenv.DeliverQueue)), Waiting: queues.Queue(env.Get(awsenv.WaitingQueue)),
	})
	handler := changes.Handler(changes.Options{
		Decode: dynamo.DecodeRecord, Usage: projection.NewMonthlyUsage(table), Index: projection.NewEventIndex(table),
		Out: dispatcher, News: news, Logger: env.Logger, Measure: env.Measure,
	})
	env.Ready()
	lambda.Start(handler)
}
