package sqs

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/hookcast/hookcast/tenants"
)

// Inboxes implements tenants.Inboxes with one standard queue for each node, named prefix + node.
//
// A node's name belongs to one incarnation and is never reused: for 60 seconds after a queue is deleted, SQS does not
// allow its name again and may still accept and lose messages. Therefore the URL of a queue never changes and is
// remembered until SQS says that the queue does not exist.
type Inboxes struct {
	client *sqs.Client
	prefix string

	mu     sync.Mutex
	queues map[string]*Queue
}

var _ tenants.Inboxes = (*Inboxes)(nil)

const (
	inboxKeeps  = 5 * time.Minute  // retention; the node has read older events from the log
	inboxHides  = 30 * time.Second // visibility timeout, in which a node handles a notice
	settles     = time.Second      // how long a new queue may be unknown to parts of SQS
	rememberAll = 10_000           // queues that are remembered; then all are forgotten and looked up again
)

// Create creates node's inbox. It takes a second; once it returns, every sender can use the inbox. An existing inbox
// stays unchanged. The caller must not announce the node to others before Create returns.
func (in *Inboxes) Create(ctx context.Context, node string) error {
	start := time.Now()
	calling, cancel := within(ctx, 0)
	defer cancel()
	out, err := in.client.CreateQueue(calling, &sqs.CreateQueueInput{
		QueueName: aws.String(in.prefix + node),
		Attributes: map[string]string{
			string(types.QueueAttributeNameMessageRetentionPeriod): seconds(inboxKeeps),
			string(types.QueueAttributeNameVisibilityTimeout):      seconds(inboxHides),
			string(types.QueueAttributeNameMaximumMessageSize):     strconv.Itoa(batchBytes),
		},
	})
	if err != nil {
		return classify(calling, "CreateQueue", err, errInboxGone)
	}
	in.remember(node, newQueue(in.client, aws.ToString(out.QueueUrl), errInboxGone))
	return pause(ctx, settles-time.Since(start))
}

// Delete deletes node's inbox and its messages. It is not an error if the inbox does not exist.
func (in *Inboxes) Delete(ctx context.Context, node string) error {
	q, err := in.queue(ctx, node)
	if err == nil {
		calling, cancel := within(ctx, 0)
		defer cancel()
		if _, derr := in.client.DeleteQueue(calling, &sqs.DeleteQueueInput{QueueUrl: &q.url}); derr != nil {
			err = q.classify(calling, "DeleteQueue", derr)
		}
	}
	if err != nil && !gone(err) {
		return err
	}
	in.forget(node)
	return nil
}

// List returns the nodes that have an inbox, in no particular order. An inbox that was created or deleted within the
// last minute may be missing or still be included.
func (in *Inboxes) List(ctx context.Context) (nodes []string, err error) {
	pages := sqs.NewListQueuesPaginator(in.client,
		&sqs.ListQueuesInput{QueueNamePrefix: &in.prefix, MaxResults: aws.Int32(1000)})
	for pages.HasMorePages() {
		calling, cancel := within(ctx, 0)
		page, err := pages.NextPage(calling)
		if err != nil {
			err = classify(calling, "ListQueues", err, errInboxGone)
		}
		cancel()
		if err != nil {
			return nil, err
		}
		for _, url := range page.QueueUrls {
			nodes = append(nodes, strings.TrimPrefix(url[strings.LastIndexByte(url, '/')+1:], in.prefix))
		}
	}
	return nodes, nil
}

// Send implements tenants.Inboxes. Notices may arrive out of order or twice; the node sorts them out by the sequence
// numbers of their events.
func (in *Inboxes) Send(ctx context.Context, node string, ns ...tenants.InboxMessage) error {
	q, err := in.queue(ctx, node)
	if err != nil {
		return err
	}
	ms := make([]tenants.Message, len(ns))
	for i, n := range ns {
		ms[i].Body = tenants.EncodeInboxMessage(n)
	}
	return in.noticed(node, q.Send(ctx, ms...))
}

// queue returns node's queue and looks it up if it is not remembered.
func (in *Inboxes) queue(ctx context.Context, node string) (*Queue, error) {
	in.mu.Lock()
	q := in.queues[node]
	in.mu.Unlock()
	if q != nil {
		return q, nil
	}
	calling, cancel := within(ctx, 0)
	defer cancel()
	out, err := in.client.GetQueueUrl(calling, &sqs.GetQueueUrlInput{QueueName: aws.String(in.prefix + node)})
	if err != nil {
		return nil, classify(calling, "GetQueueUrl", err, errInboxGone)
	}
	q = newQueue(in.client, aws.ToString(out.QueueUrl), errInboxGone)
	in.remember(node, q)
	return q, nil
}

func (in *Inboxes) remember(node string, q *Queue) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.queues) >= rememberAll {
		clear(in.queues)
	}
	in.queues[node] = q
}

func (in *Inboxes) forget(node string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	delete(in.queues, node)
}

// noticed returns err unchanged and forgets node's queue if err says that the inbox no longer exists.
func (in *Inboxes) noticed(node string, err error) error {
	if gone(err) {
		in.forget(node)
	}
	return err
}

func gone(err error) bool { return err != nil && tenants.KindOf(err) == tenants.NotFound }

func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }
