package tenants

import (
	"context"
	"time"
)

// Close marks a tenant as closing, and writes ops in the same step: from then on no credential of it counts, no source of it takes anything,
// its streams end, and no other change succeeds. Where it is marked already nothing is written.
func (a *Accounts) Close(ctx context.Context, id TenantID, ops ...Op) error {
	return a.change(ctx, id, func(t Tenant) ([]Op, error) {
		if t.Closing {
			return nil, nil
		}
		t.Closing = true
		return append(ops, Put(tenantKey(id), encodeRecord(t), time.Time{}, Anything())), nil
	})
}

// Remove takes away the rows of a closing tenant itself. It is the last step of its deletion.
func (a *Accounts) Remove(ctx context.Context, id TenantID) error {
	err := a.table.Write(ctx,
		Delete(Key{Tenant: id, Kind: KindPolicy}, Anything()),
		Delete(Key{Tenant: System, Kind: rowTenants, Sort: string(id)}, Anything()),
		Delete(tenantKey(id), Anything()),
		Delete(versionKey(id), Anything()))
	a.Forget(id)
	return err
}

// AccountKinds are the kinds of rows that tenants have here.
func AccountKinds() []TenantKind {
	return []TenantKind{
		{Kind: rowKeys, AtOnce: true, Lookups: keyLookups},
		{Kind: rowSigning, AtOnce: true},
		{Kind: KindRevocations, AtOnce: true},
		{Kind: rowAudit},
	}
}

// keyLookups names the row of System by which the key in row is found.
func keyLookups(row Row) ([]Key, error) {
	k, err := decodeRecord[APIKey](row)
	if err != nil || k.Hash == "" {
		return nil, err
	}
	return []Key{k.lookup()}, nil
}
