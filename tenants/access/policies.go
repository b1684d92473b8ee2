package access

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// Policies keeps tenants' own rows in a table.
type Policies struct {
	table    tenants.Table
	accounts *tenants.Accounts
}

// NewPolicies makes a Policies. The accounts serialise changes and tell the nodes.
func NewPolicies(t tenants.Table, a *tenants.Accounts) *Policies { return &Policies{t, a} }

type record struct{ Rules []Rule }

// Policies returns the tenant's rows and their version; none: nil and 0.
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

// Set replaces the tenant's rows, of which the caller has seen version (0: none), and returns the new version. Rows outside the
// grammar: Unprocessable invalid_policy. Others have been set meanwhile: Conflict policy_changed.
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
			return nil, tenants.Errorf(tenants.Conflict, "policy_changed", "the policy is at version %d; read it and try again", now)
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

// key names the row. It is written over and never deleted while the tenant lives, so that its version only grows.
func key(t tenants.TenantID) tenants.Key { return tenants.Key{Tenant: t, Kind: tenants.KindPolicy} }
