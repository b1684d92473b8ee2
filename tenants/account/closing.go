package account

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
)

// Close marks a tenant as closing, and writes ops in the same step: from then on no credential of it counts, no source of it takes anything,
// its streams end, and no other change succeeds. Where it is marked already nothing is written.
func (a *Accounts) Close(ctx context.Context, id tenants.TenantID, ops ...tenants.Op) error {
	return a.change(ctx, id, func(t tenants.Tenant) ([]tenants.Op, error) {
		if t.Closing {
			return nil, nil
		}
		t.Closing = true
		return append(ops, tenants.Put(tenantKey(id), record.Encode(t), time.Time{}, tenants.Anything())), nil
	})
}

// Remove takes away the rows of a closing tenant itself. It is the last step of its deletion.
func (a *Accounts) Remove(ctx context.Context, id tenants.TenantID) error {
	err := a.table.Write(ctx,
		tenants.Delete(tenants.Key{Tenant: id, Kind: tenants.KindPolicy}, tenants.Anything()),
		tenants.Delete(tenants.Key{Tenant: tenants.System, Kind: rowTenants, Sort: string(id)}, tenants.Anything()),
		tenants.Delete(tenantKey(id), tenants.Anything()),
		tenants.Delete(tenants.VersionKey(id), tenants.Anything()))
	a.Forget(id)
	return err
}

// Kinds are the kinds of rows that tenants have here.
func Kinds() []tenants.TenantKind {
	return []tenants.TenantKind{
		{Kind: rowKeys, AtOnce: true, Lookups: keyLookups},
		{Kind: rowSigning, AtOnce: true},
		{Kind: tenants.KindRevocations, AtOnce: true},
		{Kind: rowAudit},
	}
}

// keyLookups names the row of System by which the key in row is found.
func keyLookups(row tenants.Row) ([]tenants.Key, error) {
	k, err := record.Decode[APIKey](row)
	if err != nil || k.Hash == "" {
		return nil, err
	}
	return []tenants.Key{k.lookup()}, nil
}
