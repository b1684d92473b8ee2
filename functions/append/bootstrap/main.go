// Command bootstrap is the function that appends queued events to the logs of their channels.
package main

import (
	"context"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	appending "github.com/hookcast/hookcast/functions/append"
	"github.com/hookcast/hookcast/infra/awsenv"
	"github.com/hookcast/hookcast/infra/dynamo"
	"github.com/hookcast/hookcast/infra/sqs"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/node"
	"github.com/hookcast/hookcast/tenants/trace"
)

func main() {
	env := awsenv.Start("append", awsenv.Table, awsenv.IngestQueue, awsenv.InboxPrefix)
	table := dynamo.Open(dynamodb.NewFromConfig(env.Config), env.Get(awsenv.Table))
	queues := sqs.New(env.Config)
	inboxes := queues.Inboxes(env.Get(awsenv.InboxPrefix))
	_, err := node.NewNodes(table).Live(context.Background()) // detects a missing table at once
	env.Must(err)
	ingest := queues.Queue(env.Get(awsenv.IngestQueue))
	appender := intake.NewAppender(eventlog.New(table), node.NewInterest(table), inboxes, ingest)
	appender.Tenants, appender.Logger = account.NewAccounts(table, account.NewNews(table, inboxes)), env.Logger
	appender.Tracer = trace.NewTracer(table, env.Logger)
	env.Ready()
	lambda.Start(appending.Handler(appending.Options{Appender: appender, Tracer: appender.Tracer, Logger: env.Logger,
		Measure: env.Measure}))
}
