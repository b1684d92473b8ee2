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

// Inboxes fulfils tenants.Inboxes: a standard queue per node, named prefix + node.
//
// A node's name belongs to one incarnation and never comes back, for SQS lets a deleted queue's name rest for 60 seconds, in which a
// send may still be accepted and lost. So a queue's URL can be remembered for good, and is until SQS says that the queue is gone.
type Inboxes struct {
	client *sqs.Client
	prefix string

	mu     sync.Mutex
	queues map[string]*Queue
}

var _ tenants.Inboxes = (*Inboxes)(nil)

const (
	inboxKeeps  = 5 * time.Minute  // what is older the node has read from the log
	inboxHides  = 30 * time.Second // for a node to pass a notice on
	settles     = time.Second      // before that SQS may not know a new queue
	rememberAll = 10_000           // queues; then they are forgotten, and asked for again
)

// Create makes node's inbox. It can be sent to, by everybody, when Create returns, which is a second later. One that is there already stays
// as it is. A node is made known to others only after that.
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

// Delete removes node's inbox with what is in it. One that is not there is no error.
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

// List returns the nodes that have an inbox, in no order. An inbox made or deleted within the last minute may be missing or still be there.
func (in *Inboxes) List(ctx context.Context) (nodes []string, err error) {
	pages := sqs.NewListQueuesPaginator(in.client, &sqs.ListQueuesInput{QueueNamePrefix: &in.prefix, MaxResults: aws.Int32(1000)})
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

// Send fulfils tenants.Inboxes. Of notices that come out of order or twice a node makes the best by their events' numbers.
func (in *Inboxes) Send(ctx context.Context, node string, ns ...tenants.Notice) error {
	q, err := in.queue(ctx, node)
	if err != nil {
		return err
	}
	ms := make([]tenants.Message, len(ns))
	for i, n := range ns {
		ms[i].Body = tenants.EncodeNotice(n)
	}
	return in.noticed(node, q.Send(ctx, ms...))
}

// queue returns node's queue.
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

// noticed passes err on, and forgets the queue of a node whose inbox is gone.
func (in *Inboxes) noticed(node string, err error) error {
	if gone(err) {
		in.forget(node)
	}
	return err
}

func gone(err error) bool { return err != nil && tenants.KindOf(err) == tenants.NotFound }

func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }
