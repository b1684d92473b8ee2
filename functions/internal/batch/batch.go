// Package batch makes the answers by which a function tells Lambda which items of a batch failed (ReportBatchItemFailures). An answer that
// names an item that is not in the batch, or an empty one, makes Lambda take the whole batch for failed.
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

// messages answers for messages of a queue, of which those at the indexes in failed did: they come again, and with each the later ones of
// its group, which would otherwise be ahead of it (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html).
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
			out.BatchItemFailures = append(out.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
		}
	}
	return out
}

// Records answers for records of a stream, of which those at the indexes in failed did. Lambda goes on with the first of them and has all
// behind it come again, whether they failed or not, so that one is all that there is to say
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
	out.BatchItemFailures = append(out.BatchItemFailures, events.DynamoDBBatchItemFailure{ItemIdentifier: rs[first].Change.SequenceNumber})
	return out
}

// spare is how long before its end an invocation is cut short, so that there is time to say what has failed: one that is ended from
// outside has failed as a whole.
const spare = 500 * time.Millisecond

// Within returns a context that ends a little before the invocation does.
func Within(ctx context.Context) (context.Context, context.CancelFunc) {
	if end, ok := ctx.Deadline(); ok {
		return context.WithDeadline(ctx, end.Add(-spare))
	}
	return context.WithCancel(ctx)
}

// TenantsOf returns each of ts once, in the order in which they come, for the one line that the log has of a batch.
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

// Group is the message's, in a FIFO queue; in others it is "".
func Group(m events.SQSMessage) string { return m.Attributes["MessageGroupId"] }

// received is the message as the domain has it. Bodies are base64 (infra/sqs); one that is not is nobody's, and is left for
// whoever is to deal with it to refuse.
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
