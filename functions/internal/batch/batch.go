// Package batch builds the responses by which a function tells Lambda which items of a batch failed
// (ReportBatchItemFailures). If a response names an item that is not in the batch, or an empty item, Lambda treats
// the whole batch as failed.
package batch

import (
	"context"
	"encoding/base64"
	"iter"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/hookcast/hookcast/tenants"
)

// messages returns the response for messages of a queue. Those at the indexes in failed are received again, and with
// each one the later messages of its group, which would otherwise overtake it
// (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html).
func messages(ms []events.SQSMessage, failed []int) events.SQSEventResponse {
	out := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	lost := make([]bool, len(ms))
	for _, i := range failed {
		lost[i] = true
	}
	blocked := make(map[string]bool)
	for i, m := range ms {
		group := Group(m)
		if lost[i] || group != "" && blocked[group] {
			blocked[group] = true
			out.BatchItemFailures = append(out.BatchItemFailures,
				events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
		}
	}
	return out
}

// Records returns the response for records of a stream, of which those at the indexes in failed have failed. It names
// only the first of them: Lambda retries it and all records after it, whether they failed or not
// (https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html).
func Records(rs []events.DynamoDBEventRecord, failed []int) events.DynamoDBEventResponse {
	out := events.DynamoDBEventResponse{BatchItemFailures: []events.DynamoDBBatchItemFailure{}}
	if len(failed) == 0 {
		return out
	}
	first := failed[0]
	for _, i := range failed {
		first = min(first, i)
	}
	out.BatchItemFailures = append(out.BatchItemFailures,
		events.DynamoDBBatchItemFailure{ItemIdentifier: rs[first].Change.SequenceNumber})
	return out
}

// spare is how long before the end of the invocation its context ends. This leaves time to report failures: if Lambda
// ends the invocation, the whole batch fails.
const spare = 500 * time.Millisecond

// Within returns a context that ends shortly before the invocation does.
func Within(ctx context.Context) (context.Context, context.CancelFunc) {
	if end, ok := ctx.Deadline(); ok {
		return context.WithDeadline(ctx, end.Add(-spare))
	}
	return context.WithCancel(ctx)
}

// TenantsOf returns each of ts once, in the order of ts, for a batch's log line.
func TenantsOf(ts iter.Seq[tenants.TenantID]) []tenants.TenantID {
	found := []tenants.TenantID{}
	for t := range ts {
		if t != "" && !slices.Contains(found, t) {
			found = append(found, t)
		}
	}
	return found
}

// RequestID returns Lambda's id of the invocation.
func RequestID(ctx context.Context) string {
	if c, ok := lambdacontext.FromContext(ctx); ok {
		return c.AwsRequestID
	}
	return ""
}

// Group returns the message's group, or "" for a message of a standard queue.
func Group(m events.SQSMessage) string { return m.Attributes["MessageGroupId"] }

// received converts a message. Bodies are base64 (infra/sqs); a body that is not is returned unchanged, for the
// consumer to refuse.
func received(m events.SQSMessage) tenants.Received {
	body, err := base64.StdEncoding.Strict().DecodeString(m.Body)
	if err != nil {
		body = []byte(m.Body)
	}
	r := tenants.Received{
		Message: tenants.Message{Group: Group(m), Dedupe: m.Attributes["MessageDeduplicationId"], Body: body},
		Receipt: m.ReceiptHandle,
	}
	r.Receives, _ = strconv.Atoi(m.Attributes["ApproximateReceiveCount"])
	if ms, err := strconv.ParseInt(m.Attributes["SentTimestamp"], 10, 64); err == nil {
		r.Sent = time.UnixMilli(ms)
	}
	return r
}
