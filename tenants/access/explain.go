package access

import (
	"context"
	"slices"
	"strings"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/hidden"
)

// Reason says why a decision came out as it did.
type Reason string

// The reasons.
const (
	ByRow      Reason = "row"      // one of the tenant's own rows
	ByBuiltin  Reason = "builtin"  // a row that every tenant has
	ByNoRow    Reason = "no_row"   // no row applies, so the default is to deny
	ByChannels Reason = "channels" // the token's own channels exclude the object
)

// Explanation is a decision with its reason.
type Explanation struct {
	Allowed bool
	Reason  Reason
	Row     int  // with ByRow: index among the tenant's rows; with ByBuiltin: index in Builtin(); else -1
	Rule    Rule // the deciding row
	// with ByRow and ByBuiltin: the tenant's rows that grant the principal the row's role, in order
	Grants  []int
	Version int64         // of the tenant's rows
	Hidden  hidden.Hidden // hidden from the principal in what it may read
}

// Builtin returns the rows that every tenant has. A tenant's own rows cannot name the owner, the admin or the policy,
// so an owner cannot lock itself out.
func Builtin() []Rule { return rights() }

// Explain decides like Allow, by the current rows, and says why.
func (g *Gate) Explain(ctx context.Context, p tenants.Principal, object, action string) (x Explanation, err error) {
	if !ValidAction(action) || p.Operator || p.Tenant == "" || p.Tenant == tenants.System {
		return x, tenants.Errorf(tenants.Internal, "explanation_of_nothing",
			"only decisions about a tenant's principal can be explained")
	}
	g.Forget(p.Tenant)
	v, err := g.current(ctx, p.Tenant)
	if err != nil {
		return x, err
	}
	rows, subject := v.policy, v.policy.subjectOf(p)
	x = Explanation{Version: v.version, Row: -1}
	if x.Hidden, err = rows.hiddenFrom(p.Roles, subject); err != nil {
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
	x.Grants = rows.grantPath(ownNames(p.Roles, subject), x.Rule.Subject)
	return x, nil
}

// grantPath returns a shortest chain of the tenant's rows that leads from one of the names to another, none if it is
// one of them.
func (p *policy) grantPath(from []string, to string) []int {
	via := make(map[string]int) // the row that led to a name
	at := slices.Clone(from)
	for len(at) > 0 && !slices.Contains(at, to) {
		var next []string
		for i, r := range p.rows[p.own:] {
			if _, known := via[r.Role]; r.Role != "" && !known && slices.Contains(at, r.Subject) &&
				!slices.Contains(from, r.Role) {
				via[r.Role] = i
				next = append(next, r.Role)
			}
		}
		at = next
	}
	var path []int
	for name := to; ; {
		i, reached := via[name]
		if !reached {
			slices.Reverse(path)
			return path
		}
		path = append(path, i)
		name = p.rows[p.own+i].Subject
	}
}
