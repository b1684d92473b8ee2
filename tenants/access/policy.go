package access

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/casbin/casbin/v2"
	"github.com/casbin/casbin/v2/model"

	"github.com/hookcast/hookcast/tenants"
)

// modelText is the whole model. holds is g for the several names that one principal goes by, which are found once and not
// again for every row. All are weighed in one decision, since a denial of any must beat a permission of any other. row is a row's
// number, for whoever asks which one decided.
const modelText = `
[request_definition]
r = sub, dom, obj, act

[policy_definition]
p = sub, dom, obj, act, eft, row

[role_definition]
g = _, _, _

[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))

[matchers]
m = r.dom == p.dom && (p.act == "*" || r.act == p.act) && keyMatch(r.obj, p.obj) && holds(r.sub, p.sub)
`

// names are what a principal goes by: its roles, those that grants give it besides, and its subject where a row names it.
type names map[string]bool

// verdict is a decision and the row that made it.
type verdict struct {
	allowed bool
	row     int // of policy.rows; -1: none speaks of it
}

// policy is one tenant's compiled rows: those that every tenant has, then its own.
//
// Casbin costs about 1 µs for every row that it weighs. So rows lie in an index by their subject and object, and for each decision
// Casbin is given those alone that name one of the principal's names and cover the object.
type policy struct {
	domain string
	rows   []Rule
	own    int             // where the tenant's own rows begin
	named  map[string]bool // token subjects that some row names
	places map[place][]int // rows that are rights, by whom and what they name
	fields []int           // rows that hide fields
	weighs [][]string      // rows that are rights, as Casbin has them

	mu       sync.Mutex // one decision at a time has its rows in the enforcer, which leaves the other processors to streams
	enforcer *casbin.Enforcer
	hidden   map[string]tenants.Hidden // by the key of a set of names
}

// place is where a row lies in the index. An object that ends in "*" lies under what is before that, and covers what begins so.
type place struct {
	subject, object string
	covers          bool
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
	everybodys := rights()
	p := &policy{
		domain: domain, rows: slices.Concat(everybodys, own), own: len(everybodys), enforcer: e,
		named: make(map[string]bool), places: make(map[place][]int), hidden: make(map[string]tenants.Hidden),
	}
	p.weighs = make([][]string, len(p.rows))
	var grants [][]string
	for i, r := range p.rows {
		if subject, ok := strings.CutPrefix(r.Subject, userPrefix); ok {
			p.named[subject] = true
		}
		switch {
		case r.Role != "":
			grants = append(grants, []string{r.Subject, r.Role, domain})
		case strings.HasPrefix(r.Object, fieldKind):
			p.fields = append(p.fields, i)
		default:
			p.weighs[i] = []string{r.Subject, domain, r.Object, r.Action, r.Effect, strconv.Itoa(i)}
			object, covers := strings.CutSuffix(r.Object, "*")
			at := place{r.Subject, object, covers}
			p.places[at] = append(p.places[at], i)
		}
	}
	if len(grants) > 0 {
		if _, err := e.AddGroupingPoliciesEx(grants); err != nil { // leaves out what is there already
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

// goesBy are the names that a principal brings along.
func goesBy(roles []string, subject string) []string {
	own := make([]string, 0, len(roles)+1)
	for _, r := range roles {
		own = append(own, rolePrefix+r)
	}
	if subject != "" {
		own = append(own, userPrefix+subject)
	}
	return own
}

// who gives the names of a principal with these roles and, where a row names it, this subject. p.mu held.
func (p *policy) who(roles []string, subject string) (names, error) {
	who := make(names)
	for _, name := range goesBy(roles, subject) {
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

// about returns the rows that name one of who and cover the object, in their order.
func (p *policy) about(who names, object string) [][]string {
	var found []int
	for name := range who {
		found = append(found, p.places[place{name, object, false}]...)
		found = append(found, p.places[place{name, "", true}]...)
		for i := range len(object) {
			if object[i] == ':' || object[i] == '.' {
				found = append(found, p.places[place{name, object[:i+1], true}]...)
			}
		}
	}
	slices.Sort(found)
	rows := make([][]string, 0, len(found))
	for _, i := range found {
		rows = append(rows, p.weighs[i])
	}
	return rows
}

// decide weighs the rows that speak of it.
func (p *policy) decide(roles []string, subject, object, action string) (verdict, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	who, err := p.who(roles, subject)
	if err != nil {
		return verdict{}, err
	}
	none := verdict{row: -1}
	rows := p.about(who, object)
	if len(rows) == 0 {
		return none, nil
	}
	p.enforcer.GetModel()["p"]["p"].Policy = rows
	allowed, row, err := p.enforcer.EnforceEx(who, p.domain, object, action)
	if err != nil || len(row) == 0 {
		return none, err
	}
	i, err := strconv.Atoi(row[len(row)-1])
	return verdict{allowed, i}, err
}
