package access

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// PolicySource gives tenants' own rows.
type PolicySource interface {
	// Policies returns the rows of the tenant and a number that is another one whenever they are others; none: nil and 0.
	Policies(ctx context.Context, t tenants.TenantID) ([]Rule, int64, error)
}

// Gate decides, and remembers what it decided.
//
// A decision depends on the tenant's rows, the roles, the object and the action, and on the subject only where a row names
// it; it is remembered by just that, so that ten thousand subscribers of one role cost one decision per channel.
type Gate struct {
	source   PolicySource
	builtin  *policy
	versions *tenants.Cache[tenants.TenantID, versioned]
	compiled *tenants.Cache[policyID, *policy]
	memo     memo
	weighed  atomic.Int64 // decisions that were not remembered
}

type policyID struct {
	tenant  tenants.TenantID
	version int64
}

// versioned is a tenant's policy as it was at most 5 s ago.
type versioned struct {
	version int64
	policy  *policy
}

// Bounds of what a Gate keeps. A compiled policy of 1,000 rows is about a megabyte.
const (
	keepVersions  = 10_000
	keepCompiled  = 200
	keepDecisions = 100_000
	policyTTL     = 5 * time.Second
	maxObject     = 256
)

// NewGate makes a Gate over the tenants' own rows.
func NewGate(source PolicySource) (*Gate, error) {
	builtin, err := compile("builtin", nil)
	if err != nil {
		return nil, tenants.Errorf(tenants.Internal, "policy_model", "%w", err)
	}
	return &Gate{
		source: source, builtin: builtin, memo: newMemo(keepDecisions),
		versions: tenants.NewCache[tenants.TenantID, versioned](policyTTL, keepVersions, 0),
		compiled: tenants.NewCache[policyID, *policy](time.Hour, keepCompiled, 0),
	}, nil
}

// Allow tells whether the principal may do action to object, by rows that are at most 5 s old. The strings are copied where they
// are kept. An error (the rows could not be read, an action that does not exist) is no permission.
func (g *Gate) Allow(ctx context.Context, p tenants.Principal, object, action string) (bool, error) {
	if !ValidAction(action) {
		return false, tenants.Errorf(tenants.Internal, "action_unknown", "there is no such action")
	}
	ours := strings.HasPrefix(object, operatorKind)
	if p.Operator || ours {
		return p.Operator && ours, nil
	}
	if p.Tenant == "" || p.Tenant == tenants.System || len(object) > maxObject || narrowed(p, object) {
		return false, nil
	}
	v, err := g.current(ctx, p.Tenant)
	if err != nil {
		return false, err
	}
	d, err := g.decide(v, p, object, action)
	return d.allowed, err
}

// decide gives the decision that is remembered, else has the rows weighed.
func (g *Gate) decide(v versioned, p tenants.Principal, object, action string) (verdict, error) {
	d := decision{tenant: p.Tenant, version: v.version, roles: rolesKey(p.Roles), subject: v.policy.subjectOf(p), object: object, action: action}
	if made, known := g.memo.get(d); known {
		return made, nil
	}
	g.weighed.Add(1)
	made, err := v.policy.decide(p.Roles, d.subject, object, action)
	if err != nil {
		return verdict{}, tenants.Errorf(tenants.Internal, "policy_decision", "%w", err)
	}
	g.memo.put(d, made)
	return made, nil
}

// subjectOf is the principal's subject where some row names it: others have the rights of their roles alone.
func (p *policy) subjectOf(who tenants.Principal) string {
	if p.named[who.Subject] {
		return who.Subject
	}
	return ""
}

// current returns the tenant's policy as it was at most 5 s ago.
func (g *Gate) current(ctx context.Context, t tenants.TenantID) (versioned, error) {
	return g.versions.Get(ctx, t, func(ctx context.Context) (versioned, error) { return g.load(ctx, t) })
}

func (g *Gate) load(ctx context.Context, t tenants.TenantID) (versioned, error) {
	rows, version, err := g.source.Policies(ctx, t)
	if err != nil {
		return versioned{}, err
	}
	if len(rows) == 0 {
		return versioned{version, g.builtin}, nil
	}
	p, err := g.compiled.Get(ctx, policyID{t, version}, func(context.Context) (*policy, error) {
		if err := Check(rows); err != nil { // whoever wrote them has checked them; a Gate believes nobody
			return nil, tenants.Errorf(tenants.Internal, "policy_stored", "%w", err)
		}
		p, err := compile(string(t), rows)
		if err != nil {
			return nil, tenants.Errorf(tenants.Internal, "policy_stored", "%w", err)
		}
		return p, nil
	})
	return versioned{version, p}, err
}

// Forget makes the next decision read the tenant's rows anew; for whoever receives news.
func (g *Gate) Forget(t tenants.TenantID) { g.versions.Forget(t) }

// decision is what a decision depends on.
type decision struct {
	tenant                         tenants.TenantID
	version                        int64
	roles, subject, object, action string
}

// rolesKey writes a set of roles in one way. Roles hold no comma.
func rolesKey(roles []string) string {
	switch len(roles) {
	case 0:
		return ""
	case 1:
		return roles[0]
	}
	sorted := slices.Clone(roles)
	slices.Sort(sorted)
	return strings.Join(slices.Compact(sorted), ",")
}

// memo holds decisions, at most so many: when the younger half is full, the older half goes.
type memo struct {
	half int

	mu             *sync.RWMutex // guards both maps
	younger, older map[decision]verdict
}

func newMemo(max int) memo { return memo{half: max / 2, mu: new(sync.RWMutex)} }

func (m *memo) get(d decision) (made verdict, known bool) {
	m.mu.RLock()
	made, known = m.younger[d]
	if !known {
		if made, known = m.older[d]; known {
			m.mu.RUnlock()
			m.put(d, made)
			return made, true
		}
	}
	m.mu.RUnlock()
	return made, known
}

func (m *memo) put(d decision, made verdict) {
	d.tenant = tenants.TenantID(strings.Clone(string(d.tenant)))
	d.roles, d.subject, d.object, d.action = strings.Clone(d.roles), strings.Clone(d.subject), strings.Clone(d.object), strings.Clone(d.action)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.younger == nil || len(m.younger) >= m.half {
		m.younger, m.older = make(map[decision]verdict), m.younger
	}
	m.younger[d] = made
}
