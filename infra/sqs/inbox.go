package sqs

import (
	"context"
	"log/slog"

	"github.com/hookcast/hookcast/tenants"
)

// Inbox is the receiving end of a node's inbox.
type Inbox struct {
	all  *Inboxes
	node string

	// Logger receives warnings about messages that are not valid notices; nil discards them. It must be set before
	// the first Receive.
	Logger *slog.Logger
}

// Open returns the receiving end of node's inbox, without a request to SQS.
func (in *Inboxes) Open(node string) *Inbox { return &Inbox{all: in, node: node} }

// Receive waits for notices for up to 20 seconds and returns those of up to ten messages, or none. Unless done is
// called, they are received again after 30 seconds. If the inbox no longer exists, the error has kind NotFound and
// code inbox_gone; the node then needs a new inbox and must read the log. A message that this release cannot decode
// is dropped; its events are delayed until the node reads the log.
func (b *Inbox) Receive(ctx context.Context) (ns []tenants.InboxMessage, done func(context.Context) error, err error) {
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
		n, err := tenants.DecodeInboxMessage(r.Body)
		if err != nil {
			if b.Logger != nil {
				b.Logger.WarnContext(ctx, "a message in the inbox is not a valid notice", "node", b.node, "bytes",
					len(r.Body), "error", err)
			}
			junk = append(junk, r)
			continue
		}
		ns, good = append(ns, n), append(good, r)
	}
	_ = q.Done(ctx, junk...) // after an error they are received and dropped again
	return ns, func(ctx context.Context) error { return b.all.noticed(b.node, q.Done(ctx, good...)) }, nil
}
