package access

import (
	"context"
	"slices"
	"strings"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/hidden"
)

// maxHiddenSets is the number of role sets for which a policy caches the hidden fields.
const maxHiddenSets = 1_000

// Hidden returns the fields that the principal must not see, by rows that are at most 5 s old. Principals with the
// same roles get equal values. After an error nothing must be shown: an error does not mean that nothing is hidden.
func (g *Gate) Hidden(ctx context.Context, p tenants.Principal) (hidden.Hidden, error) {
	if p.Tenant == "" || p.Tenant == tenants.System {
		return "", tenants.Errorf(tenants.Internal, "principal_without_tenant", "the principal must belong to a tenant")
	}
	v, err := g.current(ctx, p.Tenant)
	if err != nil {
		return "", err
	}
	h, err := v.policy.hiddenFrom(p.Roles, v.policy.subjectOf(p))
	if err != nil {
		return "", tenants.Errorf(tenants.Internal, "policy_decision", "%w", err)
	}
	return h, nil
}

// hiddenFrom returns what is hidden from a principal: every field that any of its names must not see.
func (p *policy) hiddenFrom(roles []string, subject string) (hidden.Hidden, error) {
	if len(p.fields) == 0 {
		return "", nil
	}
	key := rolesKey(roles) + " " + subject
	p.mu.Lock()
	defer p.mu.Unlock()
	if h, known := p.hidden[key]; known {
		return h, nil
	}
	names, err := p.namesOf(roles, subject)
	if err != nil {
		return "", err
	}
	var fields []hidden.Field
	for _, i := range p.fields {
		r := p.rows[i]
		if !names[r.Subject] {
			continue
		}
		fields = append(fields, r.field())
	}
	if len(p.hidden) >= maxHiddenSets {
		clear(p.hidden)
	}
	h := hidden.New(fields...)
	p.hidden[strings.Clone(key)] = h
	return h, nil
}

// field returns the field that the row hides.
func (r Rule) field() hidden.Field {
	f := hidden.Field{Channel: r.Channel, Path: strings.TrimPrefix(r.Object, fieldKind)}
	if f.Channel == "" {
		f.Channel = "*"
	}
	return f
}

// HidingRows returns the indexes of the rows that hide one of the paths in the channel from any role.
func HidingRows(rows []Rule, channel string, paths []string) (indexes []int) {
	for i, r := range rows {
		if !strings.HasPrefix(r.Object, fieldKind) {
			continue
		}
		if f := r.field(); tenants.ChannelMatches(f.Channel, channel) && slices.Contains(paths, f.Path) {
			indexes = append(indexes, i)
		}
	}
	return indexes
}
