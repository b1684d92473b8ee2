package sqs_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/hookcast/hookcast/infra/awslocal/emulator"
	"github.com/hookcast/hookcast/infra/sqs"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/tenantstest/contract"
	"github.com/hookcast/hookcast/tenants/tenantstest/depth"
)

var server = emulator.Share(emulator.SQS)

func TestMain(m *testing.M) {
	depth.Parallel(16) // they wait until messages come again
	code := m.Run()
	server.Stop()
	os.Exit(code)
}

// at returns the configuration for an SQS server at url.
func at(url string) aws.Config {
	return aws.Config{
		Region: "eu-central-1", BaseEndpoint: &url,
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "an example's secret", ""),
	}
}

// create creates a queue and its dead letter queue as a template would, and returns their URLs.
func create(t *testing.T, fifo bool, visibility time.Duration, maxReceives int) (url, dead string) {
	t.Helper()
	client := awssqs.NewFromConfig(at(server.URL(t)))
	name, attributes, ending := tenants.NewID("test-"), map[string]string{}, ""
	if fifo {
		ending = ".fifo"
		attributes["FifoQueue"] = "true"
	}
	out, err := client.CreateQueue(t.Context(),
		&awssqs.CreateQueueInput{QueueName: aws.String(name + "-dead" + ending), Attributes: attributes})
	if err != nil {
		t.Fatal(err)
	}
	dead = *out.QueueUrl
	got, err := client.GetQueueAttributes(t.Context(), &awssqs.GetQueueAttributesInput{QueueUrl: &dead,
		AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn}})
	if err != nil {
		t.Fatal(err)
	}
	attributes["VisibilityTimeout"] = strconv.Itoa(int(visibility / time.Second))
	attributes["RedrivePolicy"] = fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`,
		got.Attributes["QueueArn"], maxReceives)
	out, err = client.CreateQueue(t.Context(),
		&awssqs.CreateQueueInput{QueueName: aws.String(name + ending), Attributes: attributes})
	if err != nil {
		t.Fatal(err)
	}
	return *out.QueueUrl, dead
}

// Like SQS, the server may give a message to a receiver whose connection is closed.
func TestQueueKeepsItsContract(t *testing.T) {
	all := sqs.New(at(server.URL(t)))
	// long enough that no message becomes visible too early on a busy machine
	const visibility, receives = 5 * time.Second, 3
	contract.TestQueue(t, contract.QueueHarness{
		New: func(t *testing.T, grouped bool) (q, dead tenants.Queue) {
			url, deadURL := create(t, grouped, visibility, receives)
			return all.Queue(url), all.Queue(deadURL)
		},
		Visibility: visibility, MaxReceives: receives, Abandoned: true,
	})
}
