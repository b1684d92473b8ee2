// Command bootstrap is the function that removes the remains of dead nodes and deleted tenants.
package main

import (
	"context"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/hookcast/hookcast/functions/sweep"
	"github.com/hookcast/hookcast/infra/awsenv"
	"github.com/hookcast/hookcast/infra/dynamo"
	"github.com/hookcast/hookcast/infra/sqs"
	"github.com/hookcast/hookcast/tenants"
)

func main() {
	env := awsenv.Start("sweep", awsenv.Table, awsenv.InboxPrefix)
	table := dynamo.Open(dynamodb.NewFromConfig(env.Config), env.Get(awsenv.Table))
	_, err := tenants.NewNodes(table).Live(context.Background())
	env.Must(err)
	inboxes := sqs.New(env.Config).Inboxes(env.Get(awsenv.InboxPrefix))
	removal := tenants.NewSweep(table, inboxes, inboxes)
	removal.Logger = env.Logger
	erasure := tenants.NewErasure(table, tenants.NewAccounts(table, tenants.NewNews(table, inboxes)))
	erasure.Logger = env.Logger
	env.Ready()
	lambda.Start(sweep.Handler(sweep.Options{Sweep: removal, Erasure: erasure, Logger: env.Logger,
		Measure: env.Measure}))
}
