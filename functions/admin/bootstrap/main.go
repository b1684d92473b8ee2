// Command bootstrap is the function that serves the API.
package main

import (
	"context"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/hookcast/hookcast/functions/admin"
	"github.com/hookcast/hookcast/functions/internal/gateway"
	"github.com/hookcast/hookcast/infra/awsenv"
	"github.com/hookcast/hookcast/infra/awsports"
	"github.com/hookcast/hookcast/tenants/api"
	"github.com/hookcast/hookcast/tenants/backend"
)

const maxBody = 1<<20 + 64<<10 // bytes; the streaming tier has the same limit

func main() {
	env := awsenv.Start("admin", awsenv.Table, awsenv.IngestQueue, awsenv.DeliverQueue, awsenv.WaitingQueue,
		awsenv.KMSKey, awsenv.PublicURL, awsenv.OwnHosts, awsenv.InboxPrefix, awsenv.Signup, awsenv.OperatorKeyHash)
	ports, _ := awsports.Open(env)
	b, err := backend.Open(context.Background(), ports)
	env.Must(err)
	env.Must(b.Keys.EnsureOperatorHash(context.Background(), env.Get(awsenv.OperatorKeyHash)))
	handler := admin.Handler(b.API(backend.APIOptions{
		SignupOpen: env.SignupOpen(), PublicURL: env.Get(awsenv.PublicURL), Observe: admin.Observe,
	}), api.OpenAPI)
	env.Ready()
	lambda.Start(gateway.New(gateway.Options{Handler: handler, Logger: env.Logger, MaxBody: maxBody,
		Measure: env.Measure}))
}
