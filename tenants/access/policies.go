package access

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
)

// Policies stores the tenants' own rows in a table.
type Policies struct {
	table    tenants.Table
	accounts *account.Accounts
}

// NewPolicies returns a Policies. The accounts serialize changes and notify the nodes.
func NewPolicies(t tenants.Table, a *account.Accounts) *Policies {
	return &Policies{table: t, accounts: a}
}

type record struct{ Rules []Rule }

// Policies returns the tenant's rows and their version, nil and 0 if there are none.
func (s *Policies) Policies(ctx context.Context, t tenants.TenantID) ([]Rule, int64, error) {
	row, err := s.table.Get(ctx, key(t))
	if err != nil {
		if tenants.KindOf(err) == tenants.NotFound {
			err = nil
		}
		return nil, 0, err
	}
	var r record
	if err := json.Unmarshal(row.Body, &r); err != nil {
		return nil, 0, tenants.Errorf(tenants.Internal, "policy_undecodable", "%w", err)
	}
	return r.Rules, row.Version, nil
}

// Set replaces the tenant's rows and returns the new version. version is the one that the caller has seen, 0 for
// none; if it is outdated, the error is Conflict policy_changed. Rows outside the grammar are Unprocessable
// invalid_policy.
func (s *Policies) Set(ctx context.Context, t tenants.TenantID, rules []Rule, version int64) (int64, error) {
	if err := Check(rules); err != nil {
		return 0, err
	}
	body, err := json.Marshal(record{slices.Clone(rules)})
	if err != nil {
		return 0, tenants.Errorf(tenants.Internal, "policy_unencodable", "%w", err)
	}
	err = s.accounts.Change(ctx, t, func(tenants.Tenant) ([]tenants.Op, error) {
		_, now, err := s.Policies(ctx, t)
		if err != nil {
			return nil, err
		}
		if now != version {
			return nil, tenants.Errorf(tenants.Conflict, "policy_changed",
				"the policy is at version %d; read it and try again", now)
		}
		was := tenants.At(now)
		if now == 0 {
			was = tenants.Absent()
		}
		return []tenants.Op{tenants.Put(key(t), body, time.Time{}, was)}, nil
	})
	if err != nil {
		return 0, err
	}
	return version + 1, nil
}

// key returns the key of the row. The row is overwritten, but not deleted while the tenant exists, so its version
// only grows.
func key(t tenants.TenantID) tenants.Key { return tenants.Key{Tenant: t, Kind: tenants.KindPolicy} }
