package sqs

import (
	"context"
	"log/slog"

	"github.com/hookcast/hookcast/tenants"
)

// Inbox is what a node reads of its own inbox.
type Inbox struct {
	all  *Inboxes
	node string

	// Logger hears of notices that could not be read. Nil: nobody does. Set it before the first Receive.
	Logger *slog.Logger
}

// Open returns the receiving end of node's inbox. Nothing is asked of SQS.
func (in *Inboxes) Open(node string) *Inbox { return &Inbox{all: in, node: node} }

// Receive waits for notices, up to 20 seconds, and returns those of up to ten messages, or none. They come again, after 30 seconds, unless
// done is called. An inbox that is not there any more: kind NotFound, code inbox_gone; the node then needs a new one, and
// reads the log. What is no notice that this release knows is dropped: it delays its events until the node looks at the log.
func (b *Inbox) Receive(ctx context.Context) (ns []tenants.Notice, done func(context.Context) error, err error) {
	q, err := b.all.queue(ctx, b.node)
	if err != nil {
		return nil, nil, err
	}
	rs, err := q.Receive(ctx, batchEntries, longestPoll)
	if err != nil {
		return nil, nil, b.all.noticed(b.node, err)
	}
	var junk, good []tenants.Received
	for _, r := range rs {
		n, err := tenants.DecodeNotice(r.Body)
		if err != nil {
			if b.Logger != nil {
				b.Logger.WarnContext(ctx, "a message is no notice", "node", b.node, "bytes", len(r.Body), "error", err)
			}
			junk = append(junk, r)
			continue
		}
		ns, good = append(ns, n), append(good, r)
	}
	_ = q.Done(ctx, junk...) // or it comes again, and is dropped again
	return ns, func(ctx context.Context) error { return b.all.noticed(b.node, q.Done(ctx, good...)) }, nil
}
