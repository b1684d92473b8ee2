package tenantstest

import (
	"context"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// Inboxes are simulated tenants.Inboxes: a queue for each node, like an SQS queue. Notices arrive at least once and
// in nearly any order.
type Inboxes struct {
	faults Faults

	mu     sync.Mutex
	queues map[string]*Queue
	sends  int
	drop   func(node string, n tenants.InboxMessage) bool
}

var (
	_ tenants.Inboxes     = (*Inboxes)(nil)
	_ tenants.InboxMaker  = (*Inboxes)(nil)
	_ tenants.InboxLister = (*Inboxes)(nil)
)

// NewInboxes returns Inboxes without nodes.
func NewInboxes(f Faults) *Inboxes { return &Inboxes{faults: f, queues: map[string]*Queue{}} }

var errInboxGone = tenants.Errorf(tenants.NotFound, "inbox_gone", "the node's inbox is gone")

func (in *Inboxes) queue(node string) (*Queue, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if q := in.queues[node]; q != nil {
		return q, nil
	}
	return nil, errInboxGone
}

// Create implements tenants.InboxMaker.
func (in *Inboxes) Create(ctx context.Context, node string) error {
	if err := ended(ctx); err != nil {
		return err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.queues[node] == nil {
		// a notice that a reader lost is redelivered soon
		in.queues[node] = NewQueue(QueueOptions{Visibility: 5 * time.Second, Faults: in.faults})
	}
	return nil
}

// Delete implements tenants.InboxMaker.
func (in *Inboxes) Delete(ctx context.Context, node string) error {
	if err := ended(ctx); err != nil {
		return err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if q := in.queues[node]; q != nil {
		delete(in.queues, node)
		q.mu.Lock()
		q.changed() // receivers that wait find that the queue is gone
		q.mu.Unlock()
	}
	return nil
}

// List implements tenants.InboxLister.
func (in *Inboxes) List(ctx context.Context) (nodes []string, err error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	for node := range in.queues {
		nodes = append(nodes, node)
	}
	return nodes, nil
}

// Sends returns the number of notices sent.
func (in *Inboxes) Sends() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.sends
}

// Drop loses the notices that match; nil loses none.
func (in *Inboxes) Drop(match func(node string, n tenants.InboxMessage) bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.drop = match
}

// Send implements tenants.Inboxes.
func (in *Inboxes) Send(ctx context.Context, node string, ns ...tenants.InboxMessage) error {
	q, err := in.queue(node)
	if err != nil {
		return err
	}
	in.mu.Lock()
	in.sends += len(ns)
	var ms []tenants.Message
	for _, n := range ns {
		if in.drop == nil || !in.drop(node, n) {
			ms = append(ms, tenants.Message{Body: tenants.EncodeInboxMessage(n)})
		}
	}
	in.mu.Unlock()
	if len(ms) == 0 {
		return nil
	}
	return q.Send(ctx, ms...)
}

// Open returns the reading end of a node's inbox.
func (in *Inboxes) Open(node string) tenants.Inbox { return inboxEnd{all: in, node: node} }

type inboxEnd struct {
	all  *Inboxes
	node string
}

// Receive implements tenants.Inbox.
func (b inboxEnd) Receive(ctx context.Context) ([]tenants.InboxMessage, func(context.Context) error, error) {
	for until := time.Now().Add(20 * time.Second); ; {
		q, err := b.all.queue(b.node)
		if err != nil {
			return nil, nil, err
		}
		q.mu.Lock()
		news := q.news
		q.mu.Unlock()
		rs, err := q.Receive(ctx, 10, 0)
		if err != nil {
			return nil, nil, err
		}
		if len(rs) > 0 || !time.Now().Before(until) {
			var ns []tenants.InboxMessage
			for _, r := range rs {
				n, err := tenants.DecodeInboxMessage(r.Body)
				if err != nil {
					breach("a notice must be readable: %v", err)
				}
				ns = append(ns, n)
			}
			return ns, func(ctx context.Context) error { return q.Done(ctx, rs...) }, nil
		}
		// Messages can become visible without news.
		if err := await(ctx, news, min(time.Second, time.Until(until))); err != nil {
			return nil, nil, err
		}
	}
}
