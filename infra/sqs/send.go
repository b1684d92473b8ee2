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

// neverTwice is the prefix of generated deduplication ids, because a FIFO queue requires one for each message.
const neverTwice = "hookcast-once-"

// Send implements tenants.Queue.
//
// Some entries of a batch can fail. To keep the order of each group anyway, a batch contains at most one message of a
// group, and the next one is sent once that one is durable. Each message of one group therefore costs one call, and
// ten messages of different groups share one.
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

// outgoing is a message to send.
type outgoing struct {
	entry    types.SendMessageBatchRequestEntry
	sent     bool
	failures int // attempts that failed; 0 once it is sent
}

// nextBatch returns the messages of the next batch in order. It takes at most one message of each group, always the
// group's first.
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

// sendBatch sends a batch and marks the entries that were sent. An entry that fails because of SQS stays unsent; an
// entry that SQS refuses is an error.
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
		return e, misuse("a message must have a body")
	case len(*e.MessageBody) > batchBytes:
		return e, tenants.Errorf(tenants.TooLarge, "message_too_large",
			"a message has %d bytes, but must have at most %d", len(m.Body), batchBytes/4*3)
	case q.fifo && (!validName(m.Group) || m.Dedupe != "" && !validName(m.Dedupe)):
		return e, misuse("a group and a deduplication id must have 1 to 128 printable ASCII characters without spaces")
	case q.fifo && m.Delay != 0:
		return e, misuse("a message for a FIFO queue must not have a delay")
	case !q.fifo && (m.Group != "" || m.Dedupe != ""):
		return e, misuse("a message for a standard queue must not have a group or a deduplication id")
	case m.Delay < 0 || m.Delay > longestDelay:
		return e, misuse("a delay must be between 0 and 15 minutes")
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

// validName reports whether SQS accepts s as a group or deduplication id: 1 to 128 printable ASCII characters other
// than the space.
func validName(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return 0 < len(s) && len(s) <= longestName
}

// wholeSeconds returns d in seconds, rounded up so that no message becomes visible too early.
func wholeSeconds(d time.Duration) int32 { return int32((d + time.Second - 1) / time.Second) }
