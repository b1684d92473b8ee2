package node

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
	"github.com/hookcast/hookcast/tenants/worker"
)

// A lease is renewed each renewEvery. Its row lives for leaseLife from the moment before the write that renewed it; the node trusts
// it for a little less, which is what the clocks of two machines may differ by. A node that dies is taken for dead after
// leaseLife, rounded up to the second, and whoever wants what it held has it back within 30 s: the rest is the time to notice.
const (
	renewEvery = 10 * time.Second
	leaseLife  = 25 * time.Second
	leaseTrust = 22 * time.Second
)

// life is one incarnation. Its times have both clocks' readings.
type life struct {
	node    string
	endless bool

	version int64 // of the lease's row; whoever renews it owns this

	mu    sync.Mutex // guards the rest
	began time.Time  // the moment before the last write that made or renewed the lease
	over  bool
}

// held tells whether the lease still stands at now: it does not once one of the clocks says that it may have ended. The wall clock
// goes on while a machine sleeps, the other one is not set.
func (l *life) held(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over || l.endless {
		return !l.over
	}
	return now.Sub(l.began) < leaseTrust && now.Round(0).Sub(l.began.Round(0)) < leaseTrust
}

// end says that the life is over, whatever its lease says.
func (l *life) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
}

// begin makes a life: first the inbox, then the lease, so that whoever sees the lease can send.
func (n *Node) begin(ctx context.Context) (*life, error) {
	l := &life{node: tenants.NewID(tenants.PrefixNode), version: 1, endless: n.o.Alone}
	if n.o.Maker != nil {
		if err := n.o.Maker.Create(ctx, l.node); err != nil {
			return nil, err
		}
	}
	l.began = time.Now()
	if err := n.o.Table.Write(ctx, tenants.Put(Key(l.node), record.Empty, n.leaseEnd(l.began), tenants.Absent())); err != nil {
		if n.o.Maker != nil {
			_ = n.o.Maker.Delete(ctx, l.node) // Sweep finds it otherwise
		}
		return nil, err
	}
	if !l.held(time.Now()) {
		_ = n.retire(ctx, l.node)
		return nil, tenants.Errorf(tenants.Unavailable, "lease_lapsed", "a lease took longer to make than it lasts")
	}
	n.births.Add(1)
	n.o.Logger.Info("a node begins", "node", l.node)
	return l, nil
}

func (n *Node) leaseEnd(began time.Time) time.Time {
	if n.o.Alone {
		return time.Time{}
	}
	return began.Add(leaseLife)
}

// renew renews the life's lease. Where the old one may have lapsed before the new one was known to be there the life is over, though
// the row may stand: somebody may have seen it gone in between.
func (n *Node) renew(ctx context.Context, l *life) error {
	if !l.held(time.Now()) {
		return nil // the caller sees it
	}
	ctx, cancel := context.WithTimeout(ctx, worker.CallTime)
	defer cancel()
	began := time.Now()
	err := n.o.Table.Write(ctx, tenants.Put(Key(l.node), record.Empty, n.leaseEnd(began), tenants.At(l.version)))
	if _, refused := errors.AsType[*tenants.RefusedError](err); refused {
		// Nobody else puts this row: either a renewal was stored and reported failed, or the row is gone.
		row, err := n.o.Table.Get(ctx, Key(l.node))
		switch {
		case tenants.IsNotFound(err):
			l.end()
			return nil
		case err != nil:
			return err
		}
		l.version = row.Version
		began = time.Now()
		if err := n.o.Table.Write(ctx, tenants.Put(Key(l.node), record.Empty, n.leaseEnd(began), tenants.At(l.version))); err != nil {
			return err
		}
	} else if err != nil {
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
