package node

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/cache"
)

// liveTrust is how old an answer about which nodes live may be. Nobody relies on a node that is gone but was not yet missed:
// what is sent there is lost, and what it holds is not given out.
const liveTrust = 2 * time.Second

// Nodes tells which nodes live.
type Nodes struct {
	table tenants.Table
	live  *cache.Cache[struct{}, map[string]bool]
}

// NewNodes makes a Nodes over the table that holds the leases.
func NewNodes(t tenants.Table) *Nodes {
	return &Nodes{t, cache.New[struct{}, map[string]bool](liveTrust, 1, 0)}
}

// Live returns the nodes that lived at most 2 s ago. The map is shared: it is to be read only.
func (n *Nodes) Live(ctx context.Context) (map[string]bool, error) {
	return n.live.Get(ctx, struct{}{}, func(ctx context.Context) (map[string]bool, error) {
		live := make(map[string]bool)
		for after := ""; ; {
			rows, err := n.table.Query(ctx, tenants.Range{Tenant: tenants.System, Kind: tenants.KindNodes, After: after, Limit: 1000})
			if err != nil {
				return nil, err
			}
			for _, row := range rows {
				live[row.Sort] = true
			}
			if len(rows) < 1000 {
				return live, nil
			}
			after = rows[len(rows)-1].Sort
		}
	})
}

// Gone tells whether the node's lease is over. It never errs in saying so, whatever Live remembers: a node that has only just
// joined lives, and a name whose lease is over never comes back.
func (n *Nodes) Gone(ctx context.Context, node string) (bool, error) {
	live, err := n.Live(ctx)
	if err != nil || live[node] {
		return false, err
	}
	_, err = n.table.Get(ctx, Key(node))
	if tenants.IsNotFound(err) {
		return true, nil
	}
	return false, err
}

// Kinds are the kinds of rows that tenants have here.
func Kinds() []tenants.TenantKind { return []tenants.TenantKind{{Kind: rowAnswers}} }
