package node

import (
	"context"
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

// Kinds returns the kinds of rows of this package that are removed together with their tenant.
func Kinds() []tenants.TenantKind { return []tenants.TenantKind{{Kind: rowAnswers}} }
