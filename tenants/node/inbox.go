package node

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/worker"
)

// receive delivers the messages of the life's inbox until ctx ends or the life is over. It delivers nothing once the
// lease may have lapsed: other nodes may have been sent messages meanwhile that this one was not.
func (n *Node) receive(ctx context.Context, l *life) {
	inbox := n.o.Open(l.node)
	for failures := 0; ctx.Err() == nil; {
		ms, done, err := inbox.Receive(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case tenants.IsNotFound(err):
			n.o.Logger.Warn("the node's inbox is gone", "node", l.node)
			n.endLife(l)
			return
		case err != nil:
			failures++
			n.o.Logger.Warn("reading the inbox failed", "node", l.node, "error", err)
			worker.Wait(ctx, min(worker.RetryDelay(failures), worker.CallTime))
			continue
		}
		failures = 0
		if !l.held(time.Now()) {
			n.endLife(l)
			return
		}
		n.deliver(ms)
		if len(ms) == 0 {
			continue
		}
		// Messages that cannot be removed come again, and the fanout recognizes events by their numbers.
		if err := done(ctx); err != nil && ctx.Err() == nil {
			n.o.Logger.Warn("removing messages from the inbox failed", "node", l.node, "error", err)
		}
	}
}

// Send delivers messages to this node itself. It makes a Node the tenants.Inboxes of a process without other nodes.
func (n *Node) Send(_ context.Context, node string, ms ...tenants.InboxMessage) error {
	if node != n.ID() {
		return tenants.Errorf(tenants.NotFound, "node_not_found", "there is no such node")
	}
	n.deliver(ms)
	return nil
}

// deliver hands orders to handleOrder and all other messages to the fanout. Before Run there is no fanout, and nobody
// who would miss a notice.
func (n *Node) deliver(ms []tenants.InboxMessage) {
	f := n.fanout.Load()
	for _, m := range ms {
		if m.Order != nil {
			n.handleOrder(m)
			continue
		}
		if m.Channel == "" { // something about the tenant has changed
			n.o.Forget(m.Tenant)
		}
		if f != nil {
			(*f).Deliver(m)
		}
	}
}
