package main

import (
	"context"
	"encoding/json"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/hookcast/hookcast/infra/dynamo"
	"github.com/hookcast/hookcast/tenants"
)

// inside runs an awslocal in this process, whose insides and stand-ins for AWS the test can then reach.
func inside(t *testing.T, c config) *local {
	t.Helper()
	need(t)
	c.api, c.data = freeAddr(), filepath.Join(t.TempDir(), "data")
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

// A row of a newer release's in the table's stream ends with the failures, and those behind it in its partition are dealt with.
func TestAnUnknownRecordGoesToTheFailuresAndTheShardGoesOn(t *testing.T) {
	l := inside(t, config{streams: []string{freeAddr()}, concurrency: 2})
	client, queues := l.cloud.tables, l.cloud.queues
	const name = stack + "-Table"
	_, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String(name), Item: map[string]types.AttributeValue{
		dynamo.AttrPartition: &types.AttributeValueMemberS{Value: "ten_a#log/orders"}, dynamo.AttrSort: &types.AttributeValueMemberS{Value: "1"},
		dynamo.AttrFamily: &types.AttributeValueMemberS{Value: "log"}, dynamo.AttrVersion: &types.AttributeValueMemberN{Value: "1"},
		dynamo.AttrBody: &types.AttributeValueMemberB{Value: []byte("x")}, dynamo.AttrEncoding: &types.AttributeValueMemberN{Value: "99"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	table := dynamo.Open(client, name)
	now := time.Now()
	e := tenants.Event{ID: tenants.NewID(tenants.PrefixEvent), Tenant: "ten_a", Channel: "orders", Seq: 2, Time: now}
	row := tenants.Key{Tenant: "ten_a", Kind: "log/orders", Sort: "2"}
	if err := table.Write(t.Context(), tenants.Put(row, tenants.EncodeEvent(e), now.Add(time.Hour), tenants.Absent())); err != nil {
		t.Fatal(err)
	}

	url, err := queues.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String(stack + "-changes-dead")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		out, err := queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: url.QueueUrl, WaitTimeSeconds: 20})
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
		if said.RequestContext.Condition != "RetryAttemptsExhausted" || said.DDBStreamBatchInfo.BatchSize != 1 || said.DDBStreamBatchInfo.ShardID == "" {
			t.Errorf("noted %s", aws.ToString(out.Messages[0].Body))
		}
		break
	}
	usage := tenants.NewMonthlyUsage(table)
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
