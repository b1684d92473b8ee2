// Package awsports opens the adapters of the AWS form that a backend stands on, as a process's environment names them.
package awsports

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/hookcast/hookcast/infra/awsenv"
	"github.com/hookcast/hookcast/infra/certificates"
	"github.com/hookcast/hookcast/infra/dynamo"
	"github.com/hookcast/hookcast/infra/kms"
	"github.com/hookcast/hookcast/infra/sqs"
	"github.com/hookcast/hookcast/tenants/backend"
	"github.com/hookcast/hookcast/tenants/egress"
)

// Open opens the adapters; it makes no request. The inboxes are those of the options, with the methods that make and
// read one.
func Open(env *awsenv.Env) (backend.Options, *sqs.Inboxes) {
	key := env.Get(awsenv.KMSKey)
	queues := sqs.New(env.Config)
	inboxes := queues.Inboxes(env.Get(awsenv.InboxPrefix))
	return backend.Options{
		Table:   dynamo.Open(dynamodb.NewFromConfig(env.Config), env.Get(awsenv.Table)),
		Vault:   kms.New(env.Config, key, key),
		Inboxes: inboxes,
		Ingest:  queues.Queue(env.Get(awsenv.IngestQueue)),
		Ready:   queues.Queue(env.Get(awsenv.DeliverQueue)), Waiting: queues.Queue(env.Get(awsenv.WaitingQueue)),
		Certificates: certificates.New(certificates.Options{}),
		Reach: egress.New(egress.Options{
			AllowPrivate: env.AllowsPrivate(), OwnHosts: strings.Split(env.Get(awsenv.OwnHosts), ","),
		}),
		Challenge: !env.AllowsPrivate(), Logger: env.Logger,
	}, inboxes
}
