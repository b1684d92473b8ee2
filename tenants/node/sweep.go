package node

import (
	"context"
	"log/slog"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// Sweep takes away what dead nodes have left: their inboxes. Leases and interest rows end by themselves, and slots are given out again
// by whoever wants them, see Admission: nothing waits for a sweep. Run it each minute or so.
type Sweep struct {
	table tenants.Table
	maker tenants.InboxMaker
	all   tenants.InboxLister

	Logger *slog.Logger // nil: discards
}

// NewSweep makes a Sweep over the table that holds the leases.
func NewSweep(t tenants.Table, maker tenants.InboxMaker, all tenants.InboxLister) *Sweep {
	return &Sweep{table: t, maker: maker, all: all}
}

// orphanAge is how old an inbox without a lease is before it is taken for one that its node has left: a node makes its inbox
// first.
const orphanAge = 2 * time.Minute

// Run removes inboxes that nobody reads and returns how many. It goes on behind one that cannot be removed and returns the first error.
func (s *Sweep) Run(ctx context.Context) (removed int, err error) {
	// First the inboxes, then the leases: a node whose inbox was listed had its lease before, or is young.
	nodes, err := s.all.List(ctx)
	if err != nil {
		return 0, err
	}
	live, err := NewNodes(s.table).Live(ctx)
	if err != nil {
		return 0, err
	}
	for _, node := range nodes {
		made, ok := tenants.IDTime(tenants.PrefixNode, node)
		if !ok || live[node] || time.Since(made) < orphanAge {
			continue
		}
		if failed := s.maker.Delete(ctx, node); failed != nil {
			if err == nil {
				err = failed
			}
			continue
		}
		removed++
		if s.Logger != nil {
			s.Logger.InfoContext(ctx, "an inbox that nobody reads was removed", "node", node)
		}
	}
	return removed, err
}
