package account

import (
	"context"
	"errors"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
	"github.com/hookcast/hookcast/tenants/worker"
)

// News tells every live node that a tenant has changed: its policy, keys, tokens, limits or suspension. Nodes also
// read the tenant's version row from time to time, so that a lost notice only delays the news.
type News struct {
	table   tenants.Table
	inboxes tenants.Inboxes
}

// NewNews returns a News that reads the nodes' leases from t and sends notices to their inboxes.
func NewNews(t tenants.Table, to tenants.Inboxes) *News { return &News{t, to} }

// Tell increases the tenant's version and sends a notice to every live node. If the version cannot be written, it
// returns that error and sends nothing. Any other error means that a node was not told; it finds out by the version.
func (n *News) Tell(ctx context.Context, tenant tenants.TenantID) error {
	put := tenants.Put(tenants.VersionKey(tenant), record.Empty, time.Time{}, tenants.Anything())
	if err := n.table.Write(ctx, put); err != nil {
		return err
	}
	return n.Send(ctx, tenant)
}

// Version returns a number that grows with every change of the tenant; 0 if there is no version yet.
func (n *News) Version(ctx context.Context, tenant tenants.TenantID) (int64, error) {
	return tenants.VersionOf(ctx, n.table, tenant)
}

// Send sends a notice to every live node, for a change that has increased the version in its own write.
func (n *News) Send(ctx context.Context, tenant tenants.TenantID) error {
	var failed []error
	for after := ""; ; {
		nodes := tenants.Range{Tenant: tenants.System, Kind: tenants.KindNodes, After: after, Limit: 1000}
		rows, err := n.table.Query(ctx, nodes)
		if err != nil {
			return errors.Join(append(failed, err)...)
		}
		err = worker.Parallel(len(rows), worker.NodesAtOnce, func(i int) error {
			err := n.inboxes.Send(ctx, rows[i].Sort, tenants.InboxMessage{Tenant: tenant})
			if tenants.IsNotFound(err) {
				return nil
			}
			return err
		})
		if err != nil {
			failed = append(failed, err)
		}
		if len(rows) < 1000 {
			return errors.Join(failed...)
		}
		after = rows[len(rows)-1].Sort
	}
}
