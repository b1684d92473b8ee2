package sqs

import (
	"context"
	"encoding/base64"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/hookcast/hookcast/tenants"
)

// neverTwice begins the deduplication ids of messages that have none: a FIFO queue wants one of each.
const neverTwice = "hookcast-once-"

// Send fulfils tenants.Queue.
//
// A batch can fail in part. So that a group keeps its order all the same, a batch holds one message of a group, and the next one of it goes
// when that one is durable. Messages of one group cost a call each, messages of different groups a call per ten.
func (q *Queue) Send(ctx context.Context, ms ...tenants.Message) error {
	pending := make([]*outgoing, len(ms))
	for i, m := range ms {
		e, err := q.entry(m)
		if err != nil {
			return err
		}
		pending[i] = &outgoing{entry: e}
	}
	for len(pending) > 0 {
		batch := nextBatch(pending)
		if err := q.sendBatch(ctx, batch); err != nil {
			return err
		}
		pending = slices.DeleteFunc(pending, func(o *outgoing) bool { return o.sent })
		failures := 0
		for _, o := range batch {
			failures = max(failures, o.failures)
		}
		if failures > 0 {
			if err := again(ctx, failures); err != nil {
				return err
			}
		}
	}
	return nil
}

type outgoing struct {
	entry    types.SendMessageBatchRequestEntry
	sent     bool
	failures int // while it is not sent
}

// nextBatch picks what can go at once: in order, one of a group, and nothing ahead of an earlier one of its group.
func nextBatch(pending []*outgoing) (batch []*outgoing) {
	bytes, groups := 0, make(map[string]bool)
	for _, o := range pending {
		if g := o.entry.MessageGroupId; g != nil {
			if groups[*g] {
				continue
			}
			groups[*g] = true
		}
		if size := len(*o.entry.MessageBody); bytes+size <= batchBytes {
			batch = append(batch, o)
			bytes += size
		}
		if len(batch) == batchEntries {
			break
		}
	}
	return batch
}

// sendBatch sends a batch and notes what was. An entry that SQS itself failed on stays unsent; one that it refuses is an error.
func (q *Queue) sendBatch(ctx context.Context, batch []*outgoing) error {
	ctx, cancel := within(ctx, 0)
	defer cancel()
	in := &sqs.SendMessageBatchInput{QueueUrl: &q.url, Entries: make([]types.SendMessageBatchRequestEntry, len(batch))}
	for i, o := range batch {
		in.Entries[i] = o.entry
		in.Entries[i].Id = aws.String(strconv.Itoa(i))
	}
	out, err := q.client.SendMessageBatch(ctx, in)
	if err != nil {
		return q.classify(ctx, "SendMessageBatch", err)
	}
	for _, s := range out.Successful {
		if i, err := strconv.Atoi(aws.ToString(s.Id)); err == nil && i >= 0 && i < len(batch) {
			batch[i].sent, batch[i].failures = true, 0
		}
	}
	for _, o := range batch {
		if !o.sent {
			o.failures++
		}
	}
	for _, f := range out.Failed {
		if f.SenderFault {
			return refused("SendMessageBatch", aws.ToString(f.Code))
		}
	}
	return nil
}

func (q *Queue) entry(m tenants.Message) (types.SendMessageBatchRequestEntry, error) {
	e := types.SendMessageBatchRequestEntry{MessageBody: aws.String(base64.StdEncoding.EncodeToString(m.Body))}
	switch {
	case len(m.Body) == 0:
		return e, misuse("a message without a body")
	case len(*e.MessageBody) > batchBytes:
		return e, tenants.Errorf(tenants.TooLarge, "message_too_large", "a message has %d bytes and may have %d", len(m.Body), batchBytes/4*3)
	case q.fifo && (!validName(m.Group) || m.Dedupe != "" && !validName(m.Dedupe)):
		return e, misuse("a group and a deduplication id are 1 to 128 characters of printable ASCII")
	case q.fifo && m.Delay != 0:
		return e, misuse("a delay on a FIFO queue")
	case !q.fifo && (m.Group != "" || m.Dedupe != ""):
		return e, misuse("a group or a deduplication id on a standard queue")
	case m.Delay < 0 || m.Delay > longestDelay:
		return e, misuse("a delay that is not between 0 and 15 minutes")
	}
	if q.fifo {
		if m.Dedupe == "" {
			m.Dedupe = tenants.NewID(neverTwice)
		}
		e.MessageGroupId, e.MessageDeduplicationId = &m.Group, &m.Dedupe
	} else {
		e.DelaySeconds = wholeSeconds(m.Delay)
	}
	return e, nil
}

// validName tells whether SQS takes s as a group or deduplication id: letters, digits and ASCII's punctuation, which is all of
// ASCII that prints, the space excepted.
func validName(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return 0 < len(s) && len(s) <= longestName
}

// wholeSeconds rounds up: nothing comes before its time.
func wholeSeconds(d time.Duration) int32 { return int32((d + time.Second - 1) / time.Second) }
