package access

import (
	"context"
	"slices"
	"strings"

	"github.com/hookcast/hookcast/tenants"
)

// keepHidden bounds for how many sets of roles a policy remembers what is hidden from them.
const keepHidden = 1_000

// Hidden returns the fields that the principal is not shown, by rows that are at most 5 s old. Principals with the same roles get
// equal values. An error shows nothing at all: it is not to be taken for "nothing is hidden".
func (g *Gate) Hidden(ctx context.Context, p tenants.Principal) (tenants.Hidden, error) {
	if p.Tenant == "" || p.Tenant == tenants.System {
		return "", tenants.Errorf(tenants.Internal, "principal_without_tenant", "nothing is to be shown to nobody")
	}
	v, err := g.current(ctx, p.Tenant)
	if err != nil {
		return "", err
	}
	h, err := v.policy.hides(p.Roles, v.policy.subjectOf(p))
	if err != nil {
		return "", tenants.Errorf(tenants.Internal, "policy_decision", "%w", err)
	}
	return h, nil
}

// hides works out what is hidden from a principal: what any of its names is not to see.
func (p *policy) hides(roles []string, subject string) (tenants.Hidden, error) {
	if len(p.fields) == 0 {
		return "", nil
	}
	key := rolesKey(roles) + " " + subject
	p.mu.Lock()
	defer p.mu.Unlock()
	if h, known := p.hidden[key]; known {
		return h, nil
	}
	who, err := p.who(roles, subject)
	if err != nil {
		return "", err
	}
	var fields []tenants.HiddenField
	for _, i := range p.fields {
		r := p.rows[i]
		if !who[r.Subject] {
			continue
		}
		fields = append(fields, r.field())
	}
	if len(p.hidden) >= keepHidden {
		clear(p.hidden)
	}
	h := tenants.NewHidden(fields...)
	p.hidden[strings.Clone(key)] = h
	return h, nil
}

// field is what a row that hides one hides.
func (r Rule) field() tenants.HiddenField {
	f := tenants.HiddenField{Channel: r.Channel, Path: strings.TrimPrefix(r.Object, fieldKind)}
	if f.Channel == "" {
		f.Channel = "*"
	}
	return f
}

// HidingRows returns the places of the rows that hide one of the paths in the channel, from whomever, in order.
func HidingRows(rows []Rule, channel string, paths []string) (places []int) {
	for i, r := range rows {
		if !strings.HasPrefix(r.Object, fieldKind) {
			continue
		}
		if f := r.field(); tenants.ChannelMatches(f.Channel, channel) && slices.Contains(paths, f.Path) {
			places = append(places, i)
		}
	}
	return places
}
