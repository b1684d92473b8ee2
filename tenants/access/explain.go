package access

import (
	"context"
	"slices"
	"strings"

	"github.com/hookcast/hookcast/tenants"
)

// Reason is why a decision came out as it did.
type Reason string

const (
	ByRow      Reason = "row"      // a row of the tenant's own
	ByBuiltin  Reason = "builtin"  // a row that every tenant has
	ByNoRow    Reason = "no_row"   // no row speaks of it, and what is not allowed is denied
	ByChannels Reason = "channels" // the token's own channels leave it out
)

// Explanation is a decision with its reason.
type Explanation struct {
	Allowed bool
	Reason  Reason
	Row     int            // by ByRow: its place among the tenant's rows; by ByBuiltin: among Builtin(); else -1
	Rule    Rule           // that row
	Grants  []int          // by ByRow and ByBuiltin: the tenant's rows by which the principal comes to the role that the row names, in order
	Version int64          // of the tenant's rows
	Hidden  tenants.Hidden // what the principal is not shown of what it may read
}

// Builtin returns the rows that every tenant has. Rows of a tenant's own cannot name the owner and the admin, nor the policy: there is
// no way for an owner to lock itself out of it.
func Builtin() []Rule { return rights() }

// Explain decides as Allow does, by the rows as they are now, and says why.
func (g *Gate) Explain(ctx context.Context, p tenants.Principal, object, action string) (x Explanation, err error) {
	if !ValidAction(action) || p.Operator || p.Tenant == "" || p.Tenant == tenants.System {
		return x, tenants.Errorf(tenants.Internal, "explanation_of_nothing", "only what a tenant's principal may do is explained")
	}
	g.Forget(p.Tenant)
	v, err := g.current(ctx, p.Tenant)
	if err != nil {
		return x, err
	}
	rows, subject := v.policy, v.policy.subjectOf(p)
	x = Explanation{Version: v.version, Row: -1}
	if x.Hidden, err = rows.hides(p.Roles, subject); err != nil {
		return x, tenants.Errorf(tenants.Internal, "policy_decision", "%w", err)
	}
	switch {
	case strings.HasPrefix(object, operatorKind) || len(object) > maxObject:
		x.Reason = ByNoRow
		return x, nil
	case narrowed(p, object):
		x.Reason = ByChannels
		return x, nil
	}
	made, err := g.decide(v, p, object, action)
	if err != nil {
		return x, err
	}
	x.Allowed = made.allowed
	switch {
	case made.row < 0:
		x.Reason = ByNoRow
		return x, nil
	case made.row < rows.own:
		x.Reason, x.Row = ByBuiltin, made.row
	default:
		x.Reason, x.Row = ByRow, made.row-rows.own
	}
	x.Rule = rows.rows[made.row]
	x.Grants = rows.way(goesBy(p.Roles, subject), x.Rule.Subject)
	return x, nil
}

// way returns a shortest chain of the tenant's rows that lead from one of the names to another; none where it is among them.
func (p *policy) way(from []string, to string) []int {
	by := make(map[string]int) // the row by which a name was reached
	at := slices.Clone(from)
	for len(at) > 0 && !slices.Contains(at, to) {
		var next []string
		for i, r := range p.rows[p.own:] {
			if _, known := by[r.Role]; r.Role != "" && !known && slices.Contains(at, r.Subject) && !slices.Contains(from, r.Role) {
				by[r.Role] = i
				next = append(next, r.Role)
			}
		}
		at = next
	}
	var way []int
	for name := to; ; {
		i, reached := by[name]
		if !reached {
			slices.Reverse(way)
			return way
		}
		way = append(way, i)
		name = p.rows[p.own+i].Subject
	}
}
