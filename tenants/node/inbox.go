package node

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/worker"
)

// receive passes on what comes into the life's inbox. What comes once the lease may have lapsed is not passed on: others may have
// been told things in between that this node was not.
func (n *Node) receive(ctx context.Context, l *life) {
	inbox := n.o.Open(l.node)
	for failures := 0; ctx.Err() == nil; {
		ns, done, err := inbox.Receive(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case tenants.IsNotFound(err):
			n.o.Logger.Warn("a node's inbox is gone", "node", l.node)
			n.endLife(l)
			return
		case err != nil:
			failures++
			n.o.Logger.Warn("an inbox could not be read", "node", l.node, "error", err)
			worker.Wait(ctx, min(worker.RetryDelay(failures), worker.CallTime))
			continue
		}
		failures = 0
		if !l.held(time.Now()) {
			n.endLife(l)
			return
		}
		n.deliver(ns)
		if len(ns) == 0 {
			continue
		}
		if err := done(ctx); err != nil && ctx.Err() == nil { // they come again, and are known by their numbers
			n.o.Logger.Warn("notices could not be removed from an inbox", "node", l.node, "error", err)
		}
	}
}

// Send fulfils Inboxes where the process tells itself.
func (n *Node) Send(_ context.Context, node string, ns ...tenants.InboxMessage) error {
	if node != n.ID() {
		return tenants.Errorf(tenants.NotFound, "node_not_found", "there is no such node")
	}
	n.deliver(ns)
	return nil
}

// deliver passes notices on. Before Run nobody listens yet.
func (n *Node) deliver(ns []tenants.InboxMessage) {
	f := n.fanout.Load()
	for _, notice := range ns {
		switch {
		case notice.Order != nil:
			n.handleOrder(notice.Tenant, *notice.Order)
		case notice.Channel == "":
			n.o.Forget(notice.Tenant)
			fallthrough
		default:
			if f != nil {
				(*f).Deliver(notice)
			}
		}
	}
}
