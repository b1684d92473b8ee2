package tenants

import (
	"context"
	"time"
)

// Delete ends a tenant for good. Its first write marks the tenant as closing: from then on no credential of it counts, no
// source of it takes anything, its streams end, and no other change succeeds. Then the look-up rows and secrets go, last the
// tenant itself. Where it stops half-way (Unavailable), calling it again goes on, and so does Erasure, which takes away what the tenant had: events and all.
// The id is never given again, since ids are random.
func (a *Accounts) Delete(ctx context.Context, id TenantID) error {
	err := a.change(ctx, id, func(t Tenant) ([]Op, error) {
		if t.Closing {
			return nil, nil
		}
		t.Closing = true
		return []Op{Put(tenantKey(id), encodeRecord(t), time.Time{}, Anything()), closingOp(id)}, nil
	})
	if err != nil {
		return err
	}
	for _, kind := range []Kind{rowKeys, rowSources, rowEndpoints, rowProxies, rowSigning, KindRevocations} {
		if err := a.erase(ctx, id, kind); err != nil {
			return err
		}
	}
	err = a.table.Write(ctx,
		Delete(Key{id, KindPolicy, ""}, Anything()),
		Delete(Key{System, rowTenants, string(id)}, Anything()),
		Delete(tenantKey(id), Anything()),
		Delete(versionKey(id), Anything()))
	a.Forget(id)
	return err
}

// erase removes a tenant's rows of one list, each with the look-up rows that lead to it.
func (a *Accounts) erase(ctx context.Context, id TenantID, kind Kind) error {
	for {
		rows, err := a.table.Query(ctx, Range{Tenant: id, Kind: kind, Limit: 10})
		if err != nil || len(rows) == 0 {
			return err
		}
		var ops []Op
		for _, row := range rows {
			lookups, err := lookupsOf(row)
			if err != nil {
				return err
			}
			for _, k := range lookups {
				ops = append(ops, Delete(k, Anything()))
			}
			ops = append(ops, Delete(row.Key, Anything()))
		}
		if err := a.table.Write(ctx, ops...); err != nil {
			return err
		}
	}
}

// lookupsOf names the rows of System by which the record in row is found.
func lookupsOf(row Row) (keys []Key, err error) {
	switch row.Kind {
	case rowKeys:
		k, err := decodeRecord[APIKey](row)
		if err == nil && k.Hash != "" {
			keys = append(keys, k.lookup())
		}
		return keys, err
	case rowSources:
		s, err := decodeRecord[Source](row)
		for _, t := range s.Tokens {
			keys = append(keys, t.lookup())
		}
		return keys, err
	}
	return nil, nil
}
