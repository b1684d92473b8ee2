package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/hookcast/hookcast/infra/dynamo"
	"github.com/hookcast/hookcast/streamer/peers"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/projection"
)

// inside runs an awslocal in this process, so that the test can reach its parts and emulators.
func inside(t *testing.T, c config) *local {
	t.Helper()
	start(t) // and so links what is run
	c.api, c.data = peers.FreeAddr(), filepath.Join(t.TempDir(), "data")
	if err := copyBinaries(c.data); err != nil {
		t.Fatal(err)
	}
	l := newLocal(c)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.serve(ctx, io.Discard) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case err := <-ended:
		ended <- err
		t.Fatal(err)
	case <-l.ready:
	}
	return l
}

// Records and messages that cannot be processed do not block the others.
func TestWhatCannotBeUsedIsPutAside(t *testing.T) {
	t.Parallel()
	l := inside(t, config{streams: []string{peers.FreeAddr()}, concurrency: 2})
	t.Run("an unknown record goes to the failures, and the shard goes on", func(t *testing.T) { unknownRecord(t, l) })
	t.Run("what waits of a tenant that is gone is dropped", func(t *testing.T) { goneTenant(t, l) })
}

// unknownRecord checks that a row of a newer release in the table's stream ends in the failure queue, and later
// records of its partition are processed.
func unknownRecord(t *testing.T, l *local) {
	client, queues := l.cloud.tables, l.cloud.queues
	const name = stack + "-Table"
	_, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String(name),
		Item: map[string]types.AttributeValue{
			dynamo.AttrPartition: &types.AttributeValueMemberS{Value: "ten_a#log/orders"},
			dynamo.AttrSort:      &types.AttributeValueMemberS{Value: "1"},
			dynamo.AttrFamily:    &types.AttributeValueMemberS{Value: "log"},
			dynamo.AttrVersion:   &types.AttributeValueMemberN{Value: "1"},
			dynamo.AttrBody:      &types.AttributeValueMemberB{Value: []byte("x")},
			dynamo.AttrEncoding:  &types.AttributeValueMemberN{Value: "99"},
		}})
	if err != nil {
		t.Fatal(err)
	}
	table := dynamo.Open(client, name)
	now := time.Now()
	e := tenants.Event{ID: tenants.NewID(tenants.PrefixEvent), Tenant: "ten_a", Channel: "orders", Seq: 2, Time: now}
	row := tenants.Key{Tenant: "ten_a", Kind: "log/orders", Sort: "2"}
	if err := table.Write(t.Context(), tenants.Put(row, tenants.EncodeEvent(e), now.Add(time.Hour),
		tenants.Absent())); err != nil {
		t.Fatal(err)
	}

	url, err := queues.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String(stack + "-changes-dead")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	wantFailure(ctx, t, queues, url.QueueUrl)
	usage := projection.NewMonthlyUsage(table)
	for {
		n, err := usage.Month(ctx, "ten_a", now)
		if err != nil {
			t.Fatal(err)
		}
		if n == 1 {
			return
		}
		sleep(ctx, 20*time.Millisecond)
	}
}

// wantFailure waits for the record of a failure in the queue, and wants it to be of one record after its last retry.
func wantFailure(ctx context.Context, t *testing.T, queues *sqs.Client, url *string) {
	t.Helper()
	for {
		out, err := queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: url, WaitTimeSeconds: 20})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			continue
		}
		var said struct {
			RequestContext     struct{ Condition string }
			DDBStreamBatchInfo struct {
				ShardID   string `json:"shardId"`
				BatchSize int
			}
		}
		if err := json.Unmarshal([]byte(aws.ToString(out.Messages[0].Body)), &said); err != nil {
			t.Fatal(err)
		}
		if said.RequestContext.Condition != "RetryAttemptsExhausted" || said.DDBStreamBatchInfo.BatchSize != 1 ||
			said.DDBStreamBatchInfo.ShardID == "" {
			t.Errorf("the failure is recorded as %s", aws.ToString(out.Messages[0].Body))
		}
		return
	}
}

// An invalid message is retried a few times and then moved to the dead-letter queue; the next message of its channel
// is appended.
func TestAPoisonMessageGoesToTheDeadLettersAndItsChannelGoesOn(t *testing.T) {
	t.Parallel()
	l := inside(t, config{streams: []string{peers.FreeAddr()}, concurrency: 2})
	client, queues := l.cloud.tables, l.cloud.queues
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	url := func(name string) *string {
		out, err := queues.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(stack + name)})
		if err != nil {
			t.Fatal(err)
		}
		return out.QueueUrl
	}
	ingest, dead := url("-ingest.fifo"), url("-ingest-dead.fifo")
	setMaxReceives(ctx, t, queues, ingest, 2) // so that the test takes seconds

	table := dynamo.Open(client, stack+"-Table")
	tenant, _, _, err := account.NewAccounts(table, nil).Signup(ctx, "Acme", "dev@acme.test")
	if err != nil {
		t.Fatal(err)
	}
	e := tenants.Event{ID: tenants.NewID(tenants.PrefixEvent), Tenant: tenant.ID, Channel: "orders", Type: "t",
		Data: []byte("{}"), Time: time.Now(), Keep: -1}
	for i, body := range []string{"no event", base64.StdEncoding.EncodeToString(tenants.EncodeEvent(e))} {
		if _, err := queues.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: ingest, MessageBody: &body,
			MessageGroupId: aws.String("g"), MessageDeduplicationId: aws.String(itoa(i))}); err != nil {
			t.Fatal(err)
		}
	}
	for log := eventlog.New(table); ; {
		tail, err := log.Tail(ctx, tenant.ID, "orders")
		if err != nil {
			t.Fatal(err)
		}
		if tail == 1 {
			break
		}
		sleep(ctx, 50*time.Millisecond)
	}
	got, err := queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: dead, WaitTimeSeconds: 20})
	if err != nil || len(got.Messages) != 1 || aws.ToString(got.Messages[0].Body) != "no event" {
		t.Errorf("the dead-letter queue has %+v, %v", got, err)
	}
}

// setMaxReceives changes how often a message of the queue is received before it moves to the dead-letter queue.
func setMaxReceives(ctx context.Context, t *testing.T, queues *sqs.Client, url *string, n int) {
	t.Helper()
	policy := string(sqstypes.QueueAttributeNameRedrivePolicy)
	out, err := queues.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: url,
		AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameRedrivePolicy}})
	if err != nil {
		t.Fatal(err)
	}
	var redrive map[string]any
	if err := json.Unmarshal([]byte(out.Attributes[policy]), &redrive); err != nil {
		t.Fatal(err)
	}
	redrive["maxReceiveCount"] = n
	text, err := json.Marshal(redrive)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := queues.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: url,
		Attributes: map[string]string{policy: string(text)}}); err != nil {
		t.Fatal(err)
	}
}
