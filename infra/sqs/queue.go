package sqs

import (
	"context"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/hookcast/hookcast/tenants"
)

// Queue is a tenants.Queue.
//
// A FIFO queue takes messages with a group, a standard queue messages without. The other kind, a deduplication id on a standard queue and a
// delay on a FIFO queue are refused, kind Internal, code queue_misuse: SQS could not keep its word.
//
// A Receive whose ctx ends while SQS is about to answer may take messages along: they come again after their visibility time.
type Queue struct {
	client  *sqs.Client
	url     string
	fifo    bool
	missing *tenants.Error // what it means that there is no such queue
}

var _ tenants.Queue = (*Queue)(nil)

func newQueue(c *sqs.Client, url string, missing *tenants.Error) *Queue {
	return &Queue{client: c, url: url, fifo: strings.HasSuffix(url, ".fifo"), missing: missing}
}

// Receive fulfils tenants.Queue. More than ten messages take several calls, which go on while SQS answers with ten.
func (q *Queue) Receive(ctx context.Context, max int, wait time.Duration) ([]tenants.Received, error) {
	end := time.Now().Add(wait)
	for first := true; ; first = false {
		left := time.Until(end)
		poll := min(left, longestPoll).Truncate(time.Second) // SQS waits for whole seconds
		if poll <= 0 && !first {
			if err := pause(ctx, left); err != nil {
				return nil, err
			}
		}
		got, err := q.poll(ctx, max, poll)
		if err != nil {
			return nil, err
		}
		if len(got) > 0 {
			return q.fill(ctx, got, max), nil
		}
		if !time.Now().Before(end) {
			return nil, nil
		}
	}
}

// fill adds what else there is, up to max. What is in hand already counts more than an error now.
func (q *Queue) fill(ctx context.Context, got []tenants.Received, max int) []tenants.Received {
	for full := len(got) == batchEntries; full && len(got) < max; {
		more, err := q.poll(ctx, max-len(got), 0)
		if err != nil {
			break
		}
		got = append(got, more...)
		full = len(more) == batchEntries
	}
	return got
}

var received = []types.MessageSystemAttributeName{
	types.MessageSystemAttributeNameApproximateReceiveCount, types.MessageSystemAttributeNameSentTimestamp,
	types.MessageSystemAttributeNameMessageGroupId, types.MessageSystemAttributeNameMessageDeduplicationId,
}

func (q *Queue) poll(ctx context.Context, max int, wait time.Duration) ([]tenants.Received, error) {
	ctx, cancel := within(ctx, wait)
	defer cancel()
	in := &sqs.ReceiveMessageInput{
		QueueUrl:                    &q.url,
		MaxNumberOfMessages:         int32(min(max, batchEntries)),
		WaitTimeSeconds:             int32(wait / time.Second),
		MessageSystemAttributeNames: received,
	}
	if q.fifo {
		in.ReceiveRequestAttemptId = aws.String(tenants.NewID("")) // a retry after a lost answer has the same messages, not none
	}
	out, err := q.client.ReceiveMessage(ctx, in)
	if err != nil {
		return nil, q.classify(ctx, "ReceiveMessage", err)
	}
	got := make([]tenants.Received, len(out.Messages))
	for i, m := range out.Messages {
		got[i] = receivedOf(m)
	}
	return got, nil
}

// receivedOf returns m as the domain has it. A body that is no base64 is not from Send; it comes as it is, for its reader to refuse.
func receivedOf(m types.Message) tenants.Received {
	text := aws.ToString(m.Body)
	body, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		body = []byte(text)
	}
	r := tenants.Received{
		Message: tenants.Message{
			Group:  m.Attributes[string(types.MessageSystemAttributeNameMessageGroupId)],
			Dedupe: m.Attributes[string(types.MessageSystemAttributeNameMessageDeduplicationId)],
			Body:   body,
		},
		Receipt: aws.ToString(m.ReceiptHandle),
	}
	if strings.HasPrefix(r.Dedupe, neverTwice) {
		r.Dedupe = ""
	}
	r.Receives, _ = strconv.Atoi(m.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)])
	ms, _ := strconv.ParseInt(m.Attributes[string(types.MessageSystemAttributeNameSentTimestamp)], 10, 64)
	r.Sent = time.UnixMilli(ms)
	return r
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ended(ctx)
	}
}
