package access

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/cache"
)

// PolicySource loads the tenants' own rows.
type PolicySource interface {
	// Policies returns the rows of the tenant and their version, which changes with them; nil and 0 if there are none.
	Policies(ctx context.Context, t tenants.TenantID) ([]Rule, int64, error)
}

// Gate decides, and caches its decisions. It is safe for concurrent use.
//
// A decision depends on the tenant's rows, the roles, the object and the action, and on the subject only if a row
// names it; these are the key of the cache, so ten thousand subscribers of one role cost one decision per channel.
type Gate struct {
	source   PolicySource
	builtin  *policy
	versions *cache.Cache[tenants.TenantID, versioned]
	compiled *cache.Cache[policyID, *policy]
	memo     memo
	weighed  atomic.Int64 // decisions that were not cached
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

// Bounds of the caches of a Gate. A compiled policy of 1,000 rows takes about a megabyte.
const (
	keepVersions  = 10_000
	keepCompiled  = 200
	keepDecisions = 100_000
	policyTTL     = 5 * time.Second
	maxObject     = 256
)

// NewGate returns a Gate over the tenants' own rows.
func NewGate(source PolicySource) (*Gate, error) {
	builtin, err := compile("builtin", nil)
	if err != nil {
		return nil, tenants.Errorf(tenants.Internal, "policy_model", "%w", err)
	}
	return &Gate{
		source: source, builtin: builtin, memo: newMemo(keepDecisions),
		versions: cache.New[tenants.TenantID, versioned](policyTTL, keepVersions, 0),
		compiled: cache.New[policyID, *policy](time.Hour, keepCompiled, 0),
	}, nil
}

// Allow reports whether the principal may do action to object, by rows that are at most 5 s old. It copies the
// strings that it retains. An error (the rows could not be read, the action does not exist) does not allow anything.
func (g *Gate) Allow(ctx context.Context, p tenants.Principal, object, action string) (bool, error) {
	if !ValidAction(action) {
		return false, tenants.Errorf(tenants.Internal, "action_unknown",
			"the action must be read, write, publish, subscribe or manage")
	}
	operators := strings.HasPrefix(object, operatorKind)
	if p.Operator || operators {
		return p.Operator && operators, nil
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

// decide returns the cached decision, or makes it from the rows.
func (g *Gate) decide(v versioned, p tenants.Principal, object, action string) (verdict, error) {
	d := decision{tenant: p.Tenant, version: v.version, roles: rolesKey(p.Roles), subject: v.policy.subjectOf(p),
		object: object, action: action}
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

// subjectOf returns the principal's subject if some row names it, else "": others have the rights of their roles only.
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
		return versioned{version: version, policy: g.builtin}, nil
	}
	p, err := g.compiled.Get(ctx, policyID{tenant: t, version: version}, func(context.Context) (*policy, error) {
		if err := Check(rows); err != nil { // the writer has checked them; a Gate checks again
			return nil, tenants.Errorf(tenants.Internal, "policy_stored", "%w", err)
		}
		p, err := compile(string(t), rows)
		if err != nil {
			return nil, tenants.Errorf(tenants.Internal, "policy_stored", "%w", err)
		}
		return p, nil
	})
	return versioned{version: version, policy: p}, err
}

// Forget makes the next decision read the tenant's rows again. Call it when they have changed.
func (g *Gate) Forget(t tenants.TenantID) { g.versions.Forget(t) }

// decision is the input of a decision.
type decision struct {
	tenant                         tenants.TenantID
	version                        int64
	roles, subject, object, action string
}

// rolesKey returns a canonical text of a set of roles. Roles contain no comma.
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

// memo is a bounded cache of decisions: when the younger half is full, it becomes the older half.
type memo struct {
	half int

	mu             *sync.RWMutex // guards both maps
	younger, older map[decision]verdict
}

func newMemo(max int) memo { return memo{half: max / 2, mu: new(sync.RWMutex)} }

func (m *memo) get(d decision) (v verdict, known bool) {
	m.mu.RLock()
	v, known = m.younger[d]
	if !known {
		if v, known = m.older[d]; known {
			m.mu.RUnlock()
			m.put(d, v)
			return v, true
		}
	}
	m.mu.RUnlock()
	return v, known
}

func (m *memo) put(d decision, made verdict) {
	d.tenant = tenants.TenantID(strings.Clone(string(d.tenant)))
	d.roles, d.subject, d.object, d.action = strings.Clone(d.roles), strings.Clone(d.subject), strings.Clone(d.object),
		strings.Clone(d.action)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.younger == nil || len(m.younger) >= m.half {
		m.younger, m.older = make(map[decision]verdict), m.younger
	}
	m.younger[d] = made
}
