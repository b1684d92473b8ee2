package node

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// Sweep removes the inboxes that dead nodes have left. Nothing waits for it: leases and interest rows expire by
// themselves, and package quota takes slots back from dead nodes when it needs them. Run it every minute or so.
type Sweep struct {
	table tenants.Table
	maker tenants.InboxMaker
	all   tenants.InboxLister

	Logger *slog.Logger // nil discards
}

// NewSweep returns a Sweep over the table that holds the leases.
func NewSweep(t tenants.Table, maker tenants.InboxMaker, all tenants.InboxLister) *Sweep {
	return &Sweep{table: t, maker: maker, all: all}
}

// orphanAge is the age from which an inbox without a lease is abandoned. A node makes its inbox before its lease.
const orphanAge = 2 * time.Minute

// Run removes the inboxes that no node reads and returns how many. It continues after an inbox that cannot be
// removed, and returns the first error.
func (s *Sweep) Run(ctx context.Context) (removed int, err error) {
	// List the inboxes before the leases: a node whose inbox is in the list then has its lease already, or is young.
	nodes, err := s.all.List(ctx)
	if err != nil {
		return 0, err
	}
	live, err := NewNodes(s.table).Live(ctx)
	if err != nil {
		return 0, err
	}
	for _, node := range nodes {
		made, ok := tenants.IdTime(tenants.PrefixNode, node)
		if !ok || live[node] || time.Since(made) < orphanAge {
			continue
		}
		if failed := s.maker.Delete(ctx, node); failed != nil {
			err = cmp.Or(err, failed)
			continue
		}
		removed++
		if s.Logger != nil {
			s.Logger.InfoContext(ctx, "removed the inbox of a dead node", "node", node)
		}
	}
	return removed, err
}
