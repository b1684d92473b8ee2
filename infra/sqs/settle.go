package sqs

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/hookcast/hookcast/tenants"
)

// Done implements tenants.Queue.
func (q *Queue) Done(ctx context.Context, rs ...tenants.Received) error {
	return settle(ctx, "DeleteMessageBatch", rs,
		func(ctx context.Context, rs []tenants.Received) ([]types.BatchResultErrorEntry, error) {
			in := &sqs.DeleteMessageBatchInput{QueueUrl: &q.url,
				Entries: make([]types.DeleteMessageBatchRequestEntry, len(rs))}
			for i, r := range rs {
				in.Entries[i] = types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)),
					ReceiptHandle: &r.Receipt}
			}
			out, err := q.client.DeleteMessageBatch(ctx, in)
			if err != nil {
				return nil, q.classify(ctx, "DeleteMessageBatch", err)
			}
			return out.Failed, nil
		})
}

// Release implements tenants.Queue. It rounds delay up to whole seconds and limits it to 12 hours.
func (q *Queue) Release(ctx context.Context, delay time.Duration, rs ...tenants.Received) error {
	seconds := wholeSeconds(min(max(delay, 0), longestHidden))
	return settle(ctx, "ChangeMessageVisibilityBatch",
		rs, func(ctx context.Context, rs []tenants.Received) ([]types.BatchResultErrorEntry, error) {
			in := &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &q.url,
				Entries: make([]types.ChangeMessageVisibilityBatchRequestEntry, len(rs))}
			for i, r := range rs {
				in.Entries[i] = types.ChangeMessageVisibilityBatchRequestEntry{
					Id: aws.String(strconv.Itoa(i)), ReceiptHandle: &r.Receipt, VisibilityTimeout: seconds,
				}
			}
			out, err := q.client.ChangeMessageVisibilityBatch(ctx, in)
			if err != nil {
				return nil, q.classify(ctx, "ChangeMessageVisibilityBatch", err)
			}
			return out.Failed, nil
		})
}

// settle calls batch with ten of rs at a time, in order, and again with those that failed because of SQS. An expired
// receipt counts as settled: the message has been received again or deleted.
func settle(ctx context.Context, operation string, rs []tenants.Received,
	batch func(context.Context, []tenants.Received) ([]types.BatchResultErrorEntry, error)) error {
	for tries := 1; len(rs) > 0; tries++ {
		var left []tenants.Received
		var fault error
		for part := range slices.Chunk(rs, batchEntries) {
			failed, err := inTime(ctx, part, batch)
			if err != nil {
				return err
			}
			for _, f := range failed {
				i, err := strconv.Atoi(aws.ToString(f.Id))
				switch {
				case lapsed(aws.ToString(f.Code)) || err != nil || i < 0 || i >= len(part):
				case f.SenderFault:
					fault = refused(operation, aws.ToString(f.Code))
				default:
					left = append(left, part[i])
				}
			}
		}
		if fault != nil {
			return fault
		}
		if len(left) > 0 {
			if err := again(ctx, tries); err != nil {
				return err
			}
		}
		rs = left
	}
	return nil
}

// inTime calls batch with the timeout of a call.
func inTime(ctx context.Context, rs []tenants.Received,
	batch func(context.Context, []tenants.Received) ([]types.BatchResultErrorEntry,
		error)) ([]types.BatchResultErrorEntry, error) {
	ctx, cancel := within(ctx, 0)
	defer cancel()
	return batch(ctx, rs)
}

// lapsed reports whether the code of an entry's error means that the receipt is not the latest one or the message is
// not in flight. A FIFO queue reports an expired receipt as an invalid parameter; the other parameters are always
// valid.
func lapsed(code string) bool {
	switch code {
	case "ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue",
		"AWS.SimpleQueueService.MessageNotInflight":
		return true
	}
	return false
}
