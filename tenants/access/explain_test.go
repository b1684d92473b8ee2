package access_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
)

// weigh decides by reading every row, without an index.
func weigh(rules []access.Rule, p tenants.Principal, object, action string) bool {
	names := map[string]bool{"user:" + p.Subject: true}
	for _, r := range p.Roles {
		names["role:"+r] = true
	}
	for range len(rules) + 1 {
		for _, r := range rules {
			if r.Role != "" && names[r.Subject] {
				names[r.Role] = true
			}
		}
	}
	covers := func(pattern string) bool {
		if n := len(pattern) - 1; pattern[n] == '*' {
			return len(object) >= n && object[:n] == pattern[:n]
		}
		return pattern == object
	}
	allowed := false
	for _, r := range append(access.Builtin(), rules...) {
		if r.Role != "" || !names[r.Subject] || r.Action != action && r.Action != "*" || !covers(r.Object) {
			continue
		}
		if r.Effect == access.Deny {
			return false
		}
		allowed = true
	}
	return allowed
}

// somePolicy returns rows that affect each other, and a principal.
func somePolicy(r *rand.Rand) ([]access.Rule, tenants.Principal, string, string) {
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	subject := func() string {
		return pick("role:viewer", "role:publisher", "role:a", "role:b", "role:c", "user:alice", "user:bob")
	}
	seen := make(map[access.Rule]bool)
	var rules []access.Rule
	for range r.IntN(30) {
		rule := right(subject(), pick("channel:x", "channel:x.y", "channel:x.*", "channel:*", "channel:x.y.*",
			"channels", "token", "source:*", "source:src_1"),
			pick("read", "write", "publish", "subscribe", "manage"), pick("allow", "allow", "deny"))
		switch r.IntN(6) {
		case 0: // roles are granted in one direction only, so there is no circle
			from := r.IntN(3)
			rule = access.Rule{Subject: pick("user:alice", "user:bob", "role:"+string(rune('a'+from))),
				Role: pick("role:viewer", "role:"+string(rune('b'+from)))}
		case 1:
			rule = field("role:"+pick("viewer", "a", "b"), pick("email", "price"), "")
		}
		if !seen[rule] {
			seen[rule] = true
			rules = append(rules, rule)
		}
	}
	p := tenants.Principal{Tenant: tenA, Subject: pick("alice", "bob", "carol", "")}
	for range r.IntN(3) {
		p.Roles = append(p.Roles, pick("viewer", "publisher", "a", "b", "c", "owner", "admin"))
	}
	return rules, p, pick("channel:x", "channel:x.y", "channel:x.y.z", "channel:xy", "channel:z", "channels",
			"token", "source:src_1", "source:*", "policy", "tenant", "key:owner", "key:viewer"),
		pick("read", "write", "publish", "subscribe", "manage")
}

// The index omits no relevant row: decisions equal those from reading all rows, and the reason fits.
func TestDecisionsAreThoseOfEveryRow(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	rs := &rows{}
	g := newGate(t, rs)
	for n := range 1000 {
		rules, p, object, action := somePolicy(random)
		if err := access.Check(rules); err != nil {
			t.Fatalf("policy %d: %v: %+v", n, err, rules)
		}
		rs.set(tenA, rules...)
		g.Forget(tenA)
		want := weigh(rules, p, object, action)
		if got := allowed(t, g, p, object, action); got != want {
			t.Fatalf("%d: %s %v %s %s is %v, want %v, by %+v", n, p.Subject, p.Roles, action, object, got, want, rules)
		}
		x, err := g.Explain(context.Background(), p, object, action)
		if err != nil || x.Allowed != want {
			t.Fatalf("policy %d: got %+v, %v; want the decision %v", n, x, err, want)
		}
		bearsOut(t, rules, p, x)
	}
}

// bearsOut compares an explanation with the rows that it names.
func bearsOut(t *testing.T, rules []access.Rule, p tenants.Principal, x access.Explanation) {
	t.Helper()
	all := rules
	switch x.Reason {
	case access.ByNoRow:
		if x.Allowed || x.Row != -1 {
			t.Fatalf("got %+v, want no row", x)
		}
		return
	case access.ByBuiltin:
		all = access.Builtin()
	}
	if all[x.Row] != x.Rule || (x.Rule.Effect == access.Allow) != x.Allowed {
		t.Fatalf("got %+v, but row %d is %+v", x, x.Row, all[x.Row])
	}
	names := map[string]bool{"user:" + p.Subject: true}
	for _, r := range p.Roles {
		names["role:"+r] = true
	}
	for _, i := range x.Grants {
		if !names[rules[i].Subject] {
			t.Fatalf("the grants %v do not follow from each other: %+v", x.Grants, rules)
		}
		names = map[string]bool{rules[i].Role: true}
	}
	if !names[x.Rule.Subject] {
		t.Fatalf("the grants %v do not lead to %s: %+v", x.Grants, x.Rule.Subject, rules)
	}
}

func TestExplainReadsTheRowsAsTheyAre(t *testing.T) {
	r := &rows{}
	g := newGate(t, r)
	for i, effect := range []string{"", access.Deny, access.Allow} {
		if effect != "" {
			r.set(tenA, right("role:viewer", "channel:x", "read", effect))
		}
		x, err := g.Explain(context.Background(), key("viewer"), "channel:x", access.Read)
		if err != nil || x.Allowed != (effect != access.Deny) || x.Version != int64(i) {
			t.Errorf("%s: got %+v, %v", effect, x, err)
		}
	}
	for _, bad := range []struct {
		p      tenants.Principal
		action string
	}{{tenants.Principal{}, access.Read}, {tenants.Principal{Tenant: tenants.System, Operator: true}, access.Read},
		{key("viewer"), "eat"}} {
		if x, err := g.Explain(context.Background(), bad.p, "channel:x", bad.action); err == nil || x.Allowed {
			t.Errorf("got %+v", x)
		}
	}
}

// thousand returns a large policy: rows of roles, of channels and of subjects.
func thousand() (rules []access.Rule) {
	for i := range 250 {
		rules = append(rules,
			right("role:viewer", fmt.Sprint("channel:c", i), "publish", "allow"),
			right(fmt.Sprint("role:r", i), "channel:*", "subscribe", "deny"),
			right(fmt.Sprint("user:s", i), "channel:vip.*", "read", "allow"),
			access.Rule{Subject: fmt.Sprint("user:s", i), Role: fmt.Sprint("role:q", i)})
	}
	return rules
}

// The cost of a policy change is counted in decisions that read rows: one for each set of roles and object, and one
// for each subject that a row names, regardless of the number of subscribers.
func TestFifteenThousandSubjectsAreFewDecisions(t *testing.T) {
	r := &rows{}
	g := newGate(t, r)
	ctx := context.Background()
	for round := range 3 {
		r.set(tenA, thousand()...)
		g.Forget(tenA)
		before := g.Weighed()
		for i := range 15_000 {
			p := bearer(fmt.Sprint("s", i), []string{"*"}, "viewer", fmt.Sprint("team", i%4))
			if yes, err := g.Allow(ctx, p, fmt.Sprint("channel:c", i%5), access.Subscribe); !yes || err != nil {
				t.Fatal(yes, err)
			}
			if _, err := g.Hidden(ctx, p); err != nil {
				t.Fatal(err)
			}
		}
		if n := g.Weighed() - before; n > 20+250 { // four teams on five channels, and 250 named subjects
			t.Errorf("round %d: made %d decisions, want at most %d", round, n, 20+250)
		}
	}
}
