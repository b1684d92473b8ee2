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
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/erasure"
	"github.com/hookcast/hookcast/tenants/node"
)

func main() {
	env := awsenv.Start("sweep", awsenv.Table, awsenv.InboxPrefix)
	table := dynamo.Open(dynamodb.NewFromConfig(env.Config), env.Get(awsenv.Table))
	_, err := node.NewNodes(table).Live(context.Background())
	env.Must(err)
	inboxes := sqs.New(env.Config).Inboxes(env.Get(awsenv.InboxPrefix))
	removal := node.NewSweep(table, inboxes, inboxes)
	removal.Logger = env.Logger
	erasure := erasure.NewErasure(table, account.NewAccounts(table, account.NewNews(table, inboxes)))
	erasure.Logger = env.Logger
	env.Ready()
	lambda.Start(sweep.Handler(sweep.Options{Sweep: removal, Erasure: erasure, Logger: env.Logger,
		Measure: env.Measure}))
}
