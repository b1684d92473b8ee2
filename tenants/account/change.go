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

// Close marks a tenant as being deleted and writes ops in the same step. From then on its credentials are refused, its
// sources accept nothing, its streams end, and no other change succeeds. If the tenant is marked already, Close writes
// nothing.
func (a *Accounts) Close(ctx context.Context, id tenants.TenantID, ops ...tenants.Op) error {
	return a.change(ctx, id, func(t tenants.Tenant) ([]tenants.Op, error) {
		if t.Closing {
			return nil, nil
		}
		t.Closing = true
		return append(ops, tenants.Put(tenantKey(id), record.Encode(t), time.Time{}, tenants.Anything())), nil
	})
}

// Remove deletes the tenant's own rows. It is the last step of its deletion.
func (a *Accounts) Remove(ctx context.Context, id tenants.TenantID) error {
	err := a.table.Write(ctx,
		tenants.Delete(tenants.Key{Tenant: id, Kind: tenants.KindPolicy}, tenants.Anything()),
		tenants.Delete(tenants.Key{Tenant: tenants.System, Kind: rowTenants, Sort: string(id)}, tenants.Anything()),
		tenants.Delete(tenantKey(id), tenants.Anything()),
		tenants.Delete(tenants.VersionKey(id), tenants.Anything()))
	a.Forget(id)
	return err
}

// Kinds returns the kinds of rows of this package that belong to a tenant.
func Kinds() []tenants.TenantKind {
	return []tenants.TenantKind{
		{Kind: rowKeys, AtOnce: true, Lookups: keyLookups},
		{Kind: rowSigning, AtOnce: true},
		{Kind: tenants.KindRevocations, AtOnce: true},
		{Kind: rowAudit},
	}
}

// keyLookups returns the key of the row by which the API key in row is found.
func keyLookups(row tenants.Row) ([]tenants.Key, error) {
	k, err := record.Decode[APIKey](row)
	if err != nil || k.Hash == "" {
		return nil, err
	}
	return []tenants.Key{k.lookup()}, nil
}
