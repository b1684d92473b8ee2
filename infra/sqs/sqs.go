// Package sqs implements ports of package tenants on Amazon SQS. Queue implements tenants.Queue on a FIFO queue
// (messages with groups) or on a standard queue (messages with delays). Inboxes carries notices to streaming nodes,
// on one standard queue for each node.
//
// A message's body is the base64 (RFC 4648 section 4) of the message's bytes, because SQS accepts only text without
// most control characters. A function that an event source mapping invokes has to decode it itself.
//
// A queue must be configured with a MaximumMessageSize of 1 MiB, the largest that SQS accepts, and with DelaySeconds
// and ReceiveMessageWaitTimeSeconds of 0, which apply to calls without a delay or wait. Visibility timeout and
// redrive policy can be chosen freely. A FIFO queue whose deduplication scope is the message group does not detect a
// repetition in another group.
package sqs

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// Limits of SQS. See https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html,
// and API_ReceiveMessage.html and API_ChangeMessageVisibility.html next to it.
const (
	batchEntries  = 10      // entries of a batch
	batchBytes    = 1 << 20 // bytes of all bodies of a batch, and of a single body
	longestPoll   = 20 * time.Second
	longestHidden = 12 * time.Hour
	longestDelay  = 15 * time.Minute
	longestName   = 128 // bytes of a group or of a deduplication id
)

// callTime is the timeout of a call with all its retries, in addition to the time that a poll waits.
const callTime = 15 * time.Second

// SQS gives access to the queues of one account and region.
type SQS struct{ client *sqs.Client }

// New returns the SQS that cfg describes. Throttled calls, lost connections and server errors are retried as cfg says.
func New(cfg aws.Config) *SQS { return &SQS{sqs.NewFromConfig(cfg)} }

// Queue returns the queue at url, without a request to SQS. It is a FIFO queue if its name ends in .fifo.
func (s *SQS) Queue(url string) *Queue {
	return newQueue(s.client, url, errQueueMissing)
}

// Inboxes returns the inboxes whose queues' names begin with prefix. prefix consists of letters, digits, hyphens and
// underscores; together with a node's name it must not exceed 80 characters.
func (s *SQS) Inboxes(prefix string) *Inboxes {
	return &Inboxes{client: s.client, prefix: prefix, queues: make(map[string]*Queue)}
}

func within(ctx context.Context, wait time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, wait+callTime)
}
