// Package sqs is Amazon SQS behind the domain's ports: Queue is a tenants.Queue on a FIFO queue (messages in groups) or on a
// standard one (messages with delays), and Inboxes carries notices to streaming nodes, a standard queue each.
//
// A message's body is the base64 (RFC 4648 section 4) of the domain's bytes, since SQS takes text and refuses most control
// characters. A function that an event source mapping invokes has to undo that by itself.
//
// What is configured at the queue: visibility timeout and redrive policy as one likes; MaximumMessageSize 1 MiB, the most that SQS takes;
// DelaySeconds and ReceiveMessageWaitTimeSeconds 0, which are what a call that asks for no delay and no wait gets. A FIFO queue whose
// deduplication scope is the message group does not see a repetition in another group.
package sqs

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// Limits of SQS: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html and
// API_ReceiveMessage.html, API_ChangeMessageVisibility.html beside it.
const (
	batchEntries  = 10      // of any batch
	batchBytes    = 1 << 20 // of all bodies of a batch, as of one
	longestPoll   = 20 * time.Second
	longestHidden = 12 * time.Hour
	longestDelay  = 15 * time.Minute
	longestName   = 128 // bytes of a group or of a deduplication id
)

// callTime is how long a call may take with all its retries, the time that a poll waits not counted.
const callTime = 15 * time.Second

// SQS is the queues of one account and region.
type SQS struct{ client *sqs.Client }

// New returns the SQS that cfg leads to. Throttled calls, lost connections and the server's own errors are tried again as cfg says.
func New(cfg aws.Config) *SQS { return &SQS{sqs.NewFromConfig(cfg)} }

// Queue returns the queue at url, which is a FIFO queue if its name says so. Nothing is asked of SQS.
func (s *SQS) Queue(url string) *Queue {
	return newQueue(s.client, url, errQueueMissing)
}

// Inboxes returns the inboxes whose queues' names begin with prefix: letters, digits, hyphens and underscores, which together with
// a node's name have at most 80 characters.
func (s *SQS) Inboxes(prefix string) *Inboxes {
	return &Inboxes{client: s.client, prefix: prefix, queues: make(map[string]*Queue)}
}

func within(ctx context.Context, wait time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, wait+callTime)
}
