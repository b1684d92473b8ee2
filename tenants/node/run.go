package node

import (
	"context"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/worker"
)

// Run keeps the node alive until ctx ends: it renews the lease, delivers what comes into the inbox to f, and begins
// again under a new name when it must. Call Join first.
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

// shortLife is the length of a life below which the next one waits for a moment, because the same cause may end it too.
const shortLife = 10 * time.Second

// runLife runs the present life to its end. Unless ctx has ended, it then begins the next one.
func (n *Node) runLife(ctx context.Context, f Fanout) {
	n.mu.Lock()
	l, settled := n.life, n.settled
	n.mu.Unlock()
	of, cancel := context.WithCancel(ctx)
	var tasks sync.WaitGroup
	if n.o.Open != nil {
		tasks.Go(func() { n.receive(of, l) })
	}
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
		n.o.Logger.Warn("starting the node again failed", "error", err)
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
			pause = 24 * time.Hour // the lease needs no renewal
		}
		select {
		case <-ctx.Done():
			return
		case <-n.lost:
		case <-time.After(pause):
			if err := n.renew(ctx, l); err != nil {
				failures++
				n.o.Logger.Warn("renewing the lease failed", "node", l.node, "error", err)
			} else {
				failures = 0
			}
		}
	}
}

// endLife ends the life and wakes keepLease.
func (n *Node) endLife(l *life) {
	l.end()
	select {
	case n.lost <- struct{}{}:
	default:
	}
}

const formerNamesKept = 8

// settle records interest and slots under the node's new name, reloads every tenant, because messages may have been
// lost, and removes what is left of the former names.
func (n *Node) settle(ctx context.Context, l *life, f Fanout) {
	for failures := 1; ; failures++ {
		if err := f.Reregister(ctx, l.node); err == nil {
			break
		} else if ctx.Err() == nil {
			n.o.Logger.Warn("writing interest again failed", "node", l.node, "error", err)
		}
		if !worker.Wait(ctx, worker.RetryDelay(failures)) {
			return
		}
	}
	for _, t := range f.Tenants() {
		n.reload(f, t)
	}
	n.mu.Lock()
	n.settled = true
	former := n.former
	n.mu.Unlock()
	if n.slots != nil {
		n.slots.Retake(ctx, f)
	}
	for _, name := range former {
		call, cancel := context.WithTimeout(ctx, worker.CallTime)
		if err := n.retire(call, name); err != nil && ctx.Err() == nil {
			n.o.Logger.Warn("removing an inbox failed; the sweep will do it", "node", name, "error", err)
		}
		cancel()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if ctx.Err() == nil && len(n.former) > formerNamesKept {
		n.former = n.former[len(n.former)-formerNamesKept:]
	}
}

// reload drops what is remembered of the tenant and makes the fanout check the tenant's connections again.
func (n *Node) reload(f Fanout, t tenants.TenantID) {
	n.o.Forget(t)
	f.Deliver(tenants.InboxMessage{Tenant: t})
}

const maintainEvery = 5 * time.Second

func (n *Node) maintainSlots(ctx context.Context, f Fanout) {
	for n.slots != nil && worker.Wait(ctx, maintainEvery) {
		n.slots.Maintain(ctx, f)
	}
}
