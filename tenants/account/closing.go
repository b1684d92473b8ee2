package account

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
)

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
