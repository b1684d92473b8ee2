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
)

func main() {
	env := awsenv.Start("changes", awsenv.Table, awsenv.InboxPrefix)
	table := dynamo.Open(dynamodb.NewFromConfig(env.Config), env.Get(awsenv.Table))
	inboxes := sqs.New(env.Config).Inboxes(env.Get(awsenv.InboxPrefix))
	_, err := tenants.NewNodes(table).Live(context.Background())
	env.Must(err)
	handler := changes.Handler(changes.Options{
		Decode: dynamo.DecodeRecord, Usage: tenants.NewMonthlyUsage(table), Index: tenants.NewEventIndex(table), News: tenants.NewNews(table, inboxes),
		Logger: env.Logger, Measure: env.Measure,
	})
	env.Ready()
	lambda.Start(handler)
}
