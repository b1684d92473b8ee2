// Command bootstrap is the function that receives webhooks.
package main

import (
	"context"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/hookcast/hookcast/functions/ingest"
	"github.com/hookcast/hookcast/functions/internal/gateway"
	"github.com/hookcast/hookcast/infra/awsenv"
	"github.com/hookcast/hookcast/infra/certificates"
	"github.com/hookcast/hookcast/infra/dynamo"
	"github.com/hookcast/hookcast/infra/kms"
	"github.com/hookcast/hookcast/infra/sqs"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/keyring"
	"github.com/hookcast/hookcast/tenants/source"
)

func main() {
	env := awsenv.Start("ingest", awsenv.Table, awsenv.IngestQueue, awsenv.KMSKey, awsenv.PublicURL)
	table := dynamo.Open(dynamodb.NewFromConfig(env.Config), env.Get(awsenv.Table))
	key := env.Get(awsenv.KMSKey)
	vault := kms.New(env.Config, key, key)
	deployment, err := keyring.Open(context.Background(), table, vault)
	env.Must(err)
	accounts := account.NewAccounts(table, nil) // this function changes no tenant
	sources := source.NewSources(table, accounts, vault, deployment)
	queue := sqs.New(env.Config).Queue(env.Get(awsenv.IngestQueue))
	in := intake.NewIntake(accounts, eventlog.New(table), queue)
	verifier := source.NewVerifier(certificates.New(certificates.Options{}))
	handler := ingest.Handler(ingest.Options{
		Receiver: intake.NewReceiver(sources, verifier, in), Logger: env.Logger, Observe: ingest.Observe,
		PublicURL: env.Get(awsenv.PublicURL), MaxBody: tenants.MaxEventBytes,
	})
	env.Ready()
	lambda.Start(gateway.New(gateway.Options{Handler: handler, Logger: env.Logger, MaxBody: tenants.MaxEventBytes,
		Measure: env.Measure}))
}
