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
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/filter"
)

func main() {
	env := awsenv.Start("changes", awsenv.Table, awsenv.InboxPrefix, awsenv.DeliverQueue, awsenv.WaitingQueue)
	table := dynamo.Open(dynamodb.NewFromConfig(env.Config), env.Get(awsenv.Table))
	queues := sqs.New(env.Config)
	inboxes := queues.Inboxes(env.Get(awsenv.InboxPrefix))
	_, err := tenants.NewNodes(table).Live(context.Background())
	env.Must(err)
	filters, err := filter.New()
	env.Must(err)
	news := tenants.NewNews(table, inboxes)
	dispatcher := tenants.NewDispatcher(&tenants.Outbox{
		Table: table, Log: tenants.NewLog(table), Logger: env.Logger,
		// opens no secrets
		Endpoints: tenants.NewEndpoints(table, tenants.NewAccounts(table, news), nil, new(tenants.Deployment),
			tenants.EndpointOptions{Filter: filters}),
		Ready: queues.Queue(env.Get(awsenv.DeliverQueue)), Waiting: queues.Queue(env.Get(awsenv.WaitingQueue)),
	})
	handler := changes.Handler(changes.Options{
		Decode: dynamo.DecodeRecord, Usage: tenants.NewMonthlyUsage(table), Index: tenants.NewEventIndex(table),
		Out: dispatcher, News: news, Logger: env.Logger, Measure: env.Measure,
	})
	env.Ready()
	lambda.Start(handler)
}
