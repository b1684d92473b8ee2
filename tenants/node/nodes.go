package node

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/cache"
)

// liveTrust is how long a result of Live is remembered. A dead node that still counts as live does no harm: a message
// to it is lost, and slots that it holds are not given out yet.
const liveTrust = 2 * time.Second

// Nodes tells which nodes are live.
type Nodes struct {
	table tenants.Table
	live  *cache.Cache[struct{}, map[string]bool]
}

// NewNodes returns a Nodes over the table that holds the leases.
func NewNodes(t tenants.Table) *Nodes {
	return &Nodes{t, cache.New[struct{}, map[string]bool](liveTrust, 1, 0)}
}

// Live returns the names of the nodes that were live at most 2 s ago. The map is shared and must not be changed.
func (n *Nodes) Live(ctx context.Context) (map[string]bool, error) {
	return n.live.Get(ctx, struct{}{}, func(ctx context.Context) (map[string]bool, error) {
		live := make(map[string]bool)
		err := eachRow(ctx, n.table, Key(""), func(row tenants.Row) error {
			live[row.Sort] = true
			return nil
		})
		return live, err
	})
}

// Gone reports whether the node's lease is over. When it says true that is final: it does not rely on Live, which may
// not know a node that has just joined, and a name whose lease is over is never used again.
func (n *Nodes) Gone(ctx context.Context, node string) (bool, error) {
	live, err := n.Live(ctx)
	if err != nil || live[node] {
		return false, err
	}
	if _, err = n.table.Get(ctx, Key(node)); tenants.IsNotFound(err) {
		return true, nil
	}
	return false, err
}

// eachRow calls f with each row of k's tenant and kind after k, until f fails.
func eachRow(ctx context.Context, t tenants.Table, k tenants.Key, f func(tenants.Row) error) error {
	const page = 1000
	for {
		rows, err := t.Query(ctx, tenants.Range{Tenant: k.Tenant, Kind: k.Kind, After: k.Sort, Limit: page})
		if err != nil {
			return err
		}
		for _, row := range rows {
			if err := f(row); err != nil {
				return err
			}
		}
		if len(rows) < page {
			return nil
		}
		k = rows[page-1].Key
	}
}

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
		made, ok := tenants.IDTime(tenants.PrefixNode, node)
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

// Kinds returns the kinds of rows of this package that are removed together with their tenant.
func Kinds() []tenants.TenantKind { return []tenants.TenantKind{{Kind: rowAnswers}} }
