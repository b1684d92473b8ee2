package access

import (
	"errors"
	"slices"

	"github.com/casbin/casbin/v2"
	"github.com/casbin/casbin/v2/model"
)

// modelText is the whole model. holds is g for the several names that one principal goes by, which are found once and not
// again for every row. All are weighed in one decision, since a denial of any must beat a permission of any other.
const modelText = `
[request_definition]
r = sub, dom, obj, act

[policy_definition]
p = sub, dom, obj, act, eft

[role_definition]
g = _, _, _

[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))

[matchers]
m = r.dom == p.dom && (p.act == "*" || r.act == p.act) && keyMatch(r.obj, p.obj) && holds(r.sub, p.sub)
`

// names are what a principal goes by: its roles, those that grants give it besides, and its subject where a row names it.
type names map[string]bool

// policy is one tenant's compiled rows, or those that every tenant has. It does not change, so it may be read by many at once.
type policy struct {
	enforcer *casbin.Enforcer
	domain   string
	named    map[string]bool // token subjects that some row names
}

// compile makes the policy of a domain from the rows that every tenant has and the tenant's own, which have passed Check.
func compile(domain string, own []Rule) (*policy, error) {
	m, err := model.NewModelFromString(modelText)
	if err != nil {
		return nil, err
	}
	e, err := casbin.NewEnforcer(m)
	if err != nil {
		return nil, err
	}
	p := &policy{enforcer: e, domain: domain, named: make(map[string]bool)}
	var permissions, grants [][]string
	for _, r := range slices.Concat(rights(), own) {
		if r.Role != "" {
			grants = append(grants, []string{r.Subject, r.Role, domain})
		} else {
			permissions = append(permissions, []string{r.Subject, domain, r.Object, r.Action, r.Effect})
		}
		if len(r.Subject) > len(userPrefix) && r.Subject[:len(userPrefix)] == userPrefix {
			p.named[r.Subject[len(userPrefix):]] = true
		}
	}
	// AddPoliciesEx and its like leave out what is there already.
	if _, err := e.AddPoliciesEx(permissions); err != nil {
		return nil, err
	}
	if len(grants) > 0 {
		if _, err := e.AddGroupingPoliciesEx(grants); err != nil {
			return nil, err
		}
	}
	e.AddFunction("holds", func(args ...any) (any, error) {
		who, ok := args[0].(names)
		if !ok {
			return false, errors.New("holds: the subject is no set of names")
		}
		return who[args[1].(string)], nil
	})
	return p, nil
}

// who gives the names of a principal with these roles and, where a row names it, this subject.
func (p *policy) who(roles []string, subject string) (names, error) {
	who := make(names)
	own := make([]string, 0, len(roles)+1)
	for _, r := range roles {
		own = append(own, rolePrefix+r)
	}
	if subject != "" {
		own = append(own, userPrefix+subject)
	}
	for _, name := range own {
		who[name] = true
		granted, err := p.enforcer.GetImplicitRolesForUser(name, p.domain)
		if err != nil {
			return nil, err
		}
		for _, g := range granted {
			who[g] = true
		}
	}
	return who, nil
}

// decide weighs every row.
func (p *policy) decide(roles []string, subject, object, action string) (bool, error) {
	who, err := p.who(roles, subject)
	if err != nil {
		return false, err
	}
	return p.enforcer.Enforce(who, p.domain, object, action)
}
