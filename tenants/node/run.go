package node

import (
	"context"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/worker"
)

// Run keeps the node alive until ctx ends: it renews the lease, passes on what comes into the inbox, and begins again where it must.
// The node must have joined. f is served by it from here on.
func (n *Node) Run(ctx context.Context, f Fanout) {
	n.fanout.Store(&f)
	var all sync.WaitGroup
	all.Go(func() { n.watchVersions(ctx, f) })
	all.Go(func() { n.maintainSlots(ctx, f) })
	all.Go(func() { n.serveOrders(ctx, f) })
	for ctx.Err() == nil {
		n.runLife(ctx, f)
	}
	all.Wait()
}

// shortLife is a life after which the next is put off for a moment: whatever ended it would end that too.
const shortLife = 10 * time.Second

// runLife lives one life and, where ctx has not ended, begins the next.
func (n *Node) runLife(ctx context.Context, f Fanout) {
	n.mu.Lock()
	l := n.life
	n.mu.Unlock()
	of, cancel := context.WithCancel(ctx)
	var tasks sync.WaitGroup
	if n.o.Open != nil {
		tasks.Go(func() { n.receive(of, l) })
	}
	n.mu.Lock()
	settled := n.settled
	n.mu.Unlock()
	if !settled {
		tasks.Go(func() { n.settle(of, l, f) })
	}
	began := time.Now()
	n.keepLease(of, l)
	cancel()
	tasks.Wait()
	if ctx.Err() != nil || time.Since(began) < shortLife && !worker.Wait(ctx, time.Second) {
		return
	}
	n.o.Logger.Warn("the node begins again under another name", "node", l.node)
	for failures := 0; ctx.Err() == nil; failures++ {
		next, err := n.begin(ctx)
		if err == nil {
			n.mu.Lock()
			n.life, n.settled = next, false
			n.former = append(n.former, l.node)
			n.mu.Unlock()
			return
		}
		n.o.Logger.Warn("a node could not begin", "error", err)
		worker.Wait(ctx, min(worker.RetryDelay(failures+1), time.Second))
	}
}

// keepLease renews the lease until the life is over or ctx ends.
func (n *Node) keepLease(ctx context.Context, l *life) {
	for failures := 0; l.held(time.Now()); {
		pause := renewEvery
		if failures > 0 {
			pause = min(worker.RetryDelay(failures), time.Second)
		}
		if n.o.Alone {
			pause = 24 * time.Hour // there is nothing to renew
		}
		select {
		case <-ctx.Done():
			return
		case <-n.lost:
		case <-time.After(pause):
			if n.o.Alone {
				continue
			}
			if err := n.renew(ctx, l); err != nil {
				failures++
				n.o.Logger.Warn("a lease could not be renewed", "node", l.node, "error", err)
			} else {
				failures = 0
			}
		}
	}
}

// endLife says that the life is over.
func (n *Node) endLife(l *life) {
	l.end()
	select {
	case n.lost <- struct{}{}:
	default:
	}
}

// settle puts everything that the node serves under its new name, and forgets what may have changed while nobody could tell it.
func (n *Node) settle(ctx context.Context, l *life, f Fanout) {
	for failures := 1; ; failures++ {
		err := f.Reregister(ctx, l.node)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return
		}
		n.o.Logger.Warn("interest could not be written again", "node", l.node, "error", err)
		worker.Wait(ctx, worker.RetryDelay(failures))
	}
	for _, t := range f.Tenants() {
		n.reload(f, t)
	}
	n.mu.Lock()
	slots := n.slots
	n.settled = true
	former := n.former
	n.mu.Unlock()
	if slots != nil {
		slots.Retake(ctx, f)
	}
	for _, name := range former {
		call, cancel := context.WithTimeout(ctx, worker.CallTime)
		if err := n.retire(call, name); err != nil && ctx.Err() == nil {
			n.o.Logger.Warn("an inbox is left to the sweep", "node", name, "error", err)
		}
		cancel()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if ctx.Err() == nil && len(n.former) > formerAtMost {
		n.former = n.former[len(n.former)-formerAtMost:]
	}
}

const formerAtMost = 8 // names that a node remembers as its own

// reload has everything about the tenant looked at anew.
func (n *Node) reload(f Fanout, t tenants.TenantID) {
	n.o.Forget(t)
	f.Deliver(tenants.InboxMessage{Tenant: t})
}

const upkeepEvery = 5 * time.Second

// maintainSlots gives back slots that nobody uses.
func (n *Node) maintainSlots(ctx context.Context, f Fanout) {
	s := n.sharedSlots()
	if s == nil {
		return
	}
	for worker.Wait(ctx, upkeepEvery) {
		s.Maintain(ctx, f)
	}
}
