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

// Queue implements tenants.Queue.
//
// A FIFO queue accepts only messages with a group, and a standard queue only messages without one. A standard queue
// refuses deduplication ids, and a FIFO queue refuses delays, because SQS does not support them. These errors have
// kind Internal and code queue_misuse.
//
// If ctx ends during a Receive while SQS responds, messages may be lost on the way; they are received again after
// their visibility timeout.
type Queue struct {
	client  *sqs.Client
	url     string
	fifo    bool
	missing *tenants.Error // returned if the queue does not exist
}

var _ tenants.Queue = (*Queue)(nil)

func newQueue(c *sqs.Client, url string, missing *tenants.Error) *Queue {
	return &Queue{client: c, url: url, fifo: strings.HasSuffix(url, ".fifo"), missing: missing}
}

// Receive implements tenants.Queue. To receive more than ten messages it makes further calls as long as each returns
// ten.
func (q *Queue) Receive(ctx context.Context, max int, wait time.Duration) ([]tenants.Received, error) {
	end := time.Now().Add(wait)
	for first := true; ; first = false {
		left := time.Until(end)
		poll := min(left, longestPoll).Truncate(time.Second) // SQS waits in whole seconds
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

// fill receives further messages without waiting, up to max in total. It ignores errors, so that the messages already
// received are not lost.
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

// received lists the attributes that are requested with each message.
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
		// a retry after a lost response then gets the same messages, instead of none
		in.ReceiveRequestAttemptId = aws.String(tenants.NewID(""))
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

// receivedOf converts m. A body that is not base64 was not sent by Send; it is returned unchanged, for the caller to
// refuse.
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
		return cancelled(ctx)
	}
}
