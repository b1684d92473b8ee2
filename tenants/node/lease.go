package node

import (
	"context"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
	"github.com/hookcast/hookcast/tenants/worker"
)

// A node renews its lease every renewEvery. The row lives for leaseLife from the moment before the write that renewed
// it. The node itself trusts it for leaseTrust only; the difference allows for clocks that differ. A node that dies
// counts as dead after leaseLife, rounded up to the second, so others can have what it held within 30 s.
const (
	renewEvery = 10 * time.Second
	leaseLife  = 25 * time.Second
	leaseTrust = 22 * time.Second
)

// life is the time that a node has one name: from the write of a lease until that lease may have lapsed.
type life struct {
	node    string // the name
	endless bool

	version int64 // of the lease's row; owned by the goroutine that renews it

	mu    sync.Mutex // guards the rest
	began time.Time  // just before the last write of the lease, on the wall clock and the monotonic clock
	over  bool
}

// held reports whether the lease is held at now. It is not once one of the two clocks says that it may have lapsed: the
// wall clock continues while a machine sleeps, and the monotonic clock cannot be set.
func (l *life) held(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over || l.endless {
		return !l.over
	}
	return now.Sub(l.began) < leaseTrust && now.Round(0).Sub(l.began.Round(0)) < leaseTrust
}

// end ends the life, even if its lease is valid.
func (l *life) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
}

// begin begins a life. It makes the inbox before the lease, so that every process that sees the lease can send.
func (n *Node) begin(ctx context.Context) (*life, error) {
	l := &life{node: tenants.NewID(tenants.PrefixNode), version: 1, endless: n.o.Alone}
	if n.o.Maker != nil {
		if err := n.o.Maker.Create(ctx, l.node); err != nil {
			return nil, err
		}
	}
	l.began = time.Now()
	if err := n.putLease(ctx, l.node, l.began, tenants.Absent()); err != nil {
		if n.o.Maker != nil {
			_ = n.o.Maker.Delete(ctx, l.node) // or Sweep does it
		}
		return nil, err
	}
	if !l.held(time.Now()) {
		_ = n.retire(ctx, l.node)
		return nil, tenants.Errorf(tenants.Unavailable, "lease_lapsed",
			"writing the lease took longer than it is valid")
	}
	n.births.Add(1)
	n.o.Logger.Info("node started", "node", l.node)
	return l, nil
}

// putLease writes the lease of a name from a moment on.
func (n *Node) putLease(ctx context.Context, node string, began time.Time, c tenants.Condition) error {
	expires := began.Add(leaseLife)
	if n.o.Alone {
		expires = time.Time{}
	}
	return n.o.Table.Write(ctx, tenants.Put(Key(node), record.Empty, expires, c))
}

// renew renews the lease. If the old lease may have lapsed before the renewal was known to be stored, the life is over
// although the row is valid: another node may have seen it expired in between.
func (n *Node) renew(ctx context.Context, l *life) error {
	if n.o.Alone || !l.held(time.Now()) {
		return nil // keepLease notices an end
	}
	ctx, cancel := context.WithTimeout(ctx, worker.CallTime)
	defer cancel()
	began := time.Now()
	err := n.putLease(ctx, l.node, began, tenants.At(l.version))
	if tenants.IsRefused(err) {
		// No other process puts this row: either an earlier renewal was stored although it failed, or the row is gone.
		row, found := n.o.Table.Get(ctx, Key(l.node))
		if tenants.IsNotFound(found) {
			l.end()
			return nil
		} else if found != nil {
			return found
		}
		l.version, began = row.Version, time.Now()
		err = n.putLease(ctx, l.node, began, tenants.At(l.version))
	}
	if err != nil {
		return err
	}
	l.version++
	if !l.held(time.Now()) {
		l.end()
		return nil
	}
	l.mu.Lock()
	l.began = began
	l.mu.Unlock()
	n.countLive(ctx)
	return nil
}
