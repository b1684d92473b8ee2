package access

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/casbin/casbin/v2"
	"github.com/casbin/casbin/v2/model"
	"github.com/hookcast/hookcast/tenants/hidden"
)

// modelText is the Casbin model. holds replaces g for a principal with several names, which are resolved once instead
// of for every row. All names are evaluated in one decision, because a denial of any overrides a permission of
// another. row is the index of a row, which tells which one decided.
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

// names are the names of a principal: its roles, roles that it is granted, and its subject if a row names it.
type names map[string]bool

// verdict is a decision and the row that made it.
type verdict struct {
	allowed bool
	row     int // index in policy.rows; -1 if no row applies
}

// policy is a tenant's compiled rows: those of every tenant, then its own.
//
// Casbin takes about 1 µs for each row. So the rows are indexed by subject and object, and each decision passes to
// Casbin only the rows that name one of the principal's names and cover the object.
type policy struct {
	domain string
	rows   []Rule
	own    int             // index of the first of the tenant's own rows
	named  map[string]bool // token subjects that a row names
	index  map[place][]int // indexes of the rows that give rights
	fields []int           // indexes of the rows that hide fields
	casbin [][]string      // rows that give rights, in Casbin's form

	mu       sync.Mutex // one decision at a time: the enforcer holds its rows, and streams keep the other processors
	enforcer *casbin.Enforcer
	hidden   map[string]hidden.Hidden // by roles and subject
}

// place is an index key. An object that ends in "*" is indexed by the text before it, and covers every object with
// that prefix.
type place struct {
	subject, object string
	covers          bool
}

// compile returns the policy of a domain. own are the tenant's own rows, which must have passed Check.
func compile(domain string, own []Rule) (*policy, error) {
	m, err := model.NewModelFromString(modelText)
	if err != nil {
		return nil, err
	}
	e, err := casbin.NewEnforcer(m)
	if err != nil {
		return nil, err
	}
	builtin := rights()
	p := &policy{
		domain: domain, rows: slices.Concat(builtin, own), own: len(builtin), enforcer: e,
		named: make(map[string]bool), index: make(map[place][]int), hidden: make(map[string]hidden.Hidden),
	}
	p.casbin = make([][]string, len(p.rows))
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
			p.casbin[i] = []string{r.Subject, domain, r.Object, r.Action, r.Effect, strconv.Itoa(i)}
			object, covers := strings.CutSuffix(r.Object, "*")
			at := place{subject: r.Subject, object: object, covers: covers}
			p.index[at] = append(p.index[at], i)
		}
	}
	if len(grants) > 0 {
		if _, err := e.AddGroupingPoliciesEx(grants); err != nil { // skips duplicates
			return nil, err
		}
	}
	e.AddFunction("holds", func(args ...any) (any, error) {
		who, ok := args[0].(names)
		if !ok {
			return false, errors.New("holds: the subject must be a set of names")
		}
		return who[args[1].(string)], nil
	})
	return p, nil
}

// ownNames returns the names that a principal has without grants.
func ownNames(roles []string, subject string) []string {
	own := make([]string, 0, len(roles)+1)
	for _, r := range roles {
		own = append(own, rolePrefix+r)
	}
	if subject != "" {
		own = append(own, userPrefix+subject)
	}
	return own
}

// namesOf returns the names of a principal with these roles and, if a row names it, this subject. The caller holds
// p.mu.
func (p *policy) namesOf(roles []string, subject string) (names, error) {
	who := make(names)
	for _, name := range ownNames(roles, subject) {
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

// rowsFor returns the rows, in order, that name one of who and cover the object.
func (p *policy) rowsFor(who names, object string) [][]string {
	var found []int
	for name := range who {
		found = append(found, p.index[place{subject: name, object: object}]...)
		found = append(found, p.index[place{subject: name, covers: true}]...)
		for i := range len(object) {
			if object[i] == ':' || object[i] == '.' {
				found = append(found, p.index[place{subject: name, object: object[:i+1], covers: true}]...)
			}
		}
	}
	slices.Sort(found)
	rows := make([][]string, 0, len(found))
	for _, i := range found {
		rows = append(rows, p.casbin[i])
	}
	return rows
}

// decide evaluates the rows that apply.
func (p *policy) decide(roles []string, subject, object, action string) (verdict, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	who, err := p.namesOf(roles, subject)
	if err != nil {
		return verdict{}, err
	}
	none := verdict{row: -1}
	rows := p.rowsFor(who, object)
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
