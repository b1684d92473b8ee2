package account

import (
	"context"
	"errors"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
)

// Change makes one administrative change of a tenant. It calls f with the current tenant and writes the ops that f
// returns, at most 99, if no other change of the tenant came first; otherwise it calls f again. So whatever f reads
// of the tenant's administrative rows (its keys, its sources, how many there are) still holds when the ops are
// written, and the ops need no conditions of their own. With no ops nothing is written. After a change every node is
// notified.
//
// A tenant that is unknown or being deleted: NotFound tenant_not_found. Too many concurrent changes: Conflict
// changed_meanwhile.
func (a *Accounts) Change(ctx context.Context, id tenants.TenantID,
	f func(tenants.Tenant) ([]tenants.Op, error)) error {
	return a.change(ctx, id, func(t tenants.Tenant) ([]tenants.Op, error) {
		if t.Closing {
			return nil, tenantNotFound()
		}
		return f(t)
	})
}

// change is Change that also accepts a tenant that is being deleted. The version row serializes the changes: each
// puts it at the version that it read before the tenant.
func (a *Accounts) change(ctx context.Context, id tenants.TenantID,
	f func(tenants.Tenant) ([]tenants.Op, error)) error {
	if !tenants.ValidID(tenants.PrefixTenant, string(id)) {
		return tenantNotFound()
	}
	version, write := tenants.VersionKey(id), false
	err := record.Update(ctx, a.table, version, func(_ struct{}, was tenants.Condition) ([]tenants.Op, error) {
		t, err := a.Get(ctx, id)
		if err != nil {
			return nil, err
		}
		ops, err := f(t)
		if write = err == nil && len(ops) > 0; !write {
			return nil, err
		}
		return append(ops, tenants.Put(version, record.Empty, time.Time{}, was)), nil
	})
	if write {
		a.Forget(id) // even after an error: the change may have been written
	}
	switch {
	case errors.Is(err, record.ErrContended):
		return tenants.Errorf(tenants.Conflict, "changed_meanwhile", "others are changing the same account; try again")
	case err == nil && write:
		_ = a.news.Send(ctx, id) // a node that misses the notice finds out by the version row
	}
	return err
}
