package account

import (
	"context"
	"errors"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
	"github.com/hookcast/hookcast/tenants/worker"
)

// News tells every live node that something about a tenant has changed: its policy, keys, tokens, limits, suspension. The
// tenant's version row is what nodes fall back on: they look at it now and then, so that a notice lost delays and no more.
type News struct {
	table   tenants.Table
	inboxes tenants.Inboxes
}

// NewNews makes a News over the table that holds the nodes' leases.
func NewNews(t tenants.Table, to tenants.Inboxes) *News { return &News{t, to} }

// Tell bumps the tenant's version and sends a notice to every live node. An error means that some node has not been told and
// will find out by the version; where bumping failed, Unavailable.
func (n *News) Tell(ctx context.Context, tenant tenants.TenantID) error {
	if err := n.table.Write(ctx, tenants.Put(tenants.VersionKey(tenant), record.Empty, time.Time{}, tenants.Anything())); err != nil {
		return err
	}
	return n.send(ctx, tenant)
}

// Version is the number that grows with every change of the tenant; 0 where there has been none.
func (n *News) Version(ctx context.Context, tenant tenants.TenantID) (int64, error) {
	return tenants.VersionOf(ctx, n.table, tenant)
}

// Send tells the nodes alone of what the version says already; for whoever follows the table's change feed.
func (n *News) Send(ctx context.Context, tenant tenants.TenantID) error { return n.send(ctx, tenant) }

// send hands the notice to the nodes alone; for changes that bumped the version in their own write.
func (n *News) send(ctx context.Context, tenant tenants.TenantID) error {
	var failed []error
	for after := ""; ; {
		rows, err := n.table.Query(ctx, tenants.Range{Tenant: tenants.System, Kind: tenants.KindNodes, After: after, Limit: 1000})
		if err != nil {
			return errors.Join(append(failed, err)...)
		}
		err = worker.Parallel(len(rows), worker.NodesAtOnce, func(i int) error {
			if err := n.inboxes.Send(ctx, rows[i].Sort, tenants.InboxMessage{Tenant: tenant}); !tenants.IsNotFound(err) {
				return err
			}
			return nil
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
