package access_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
)

func unsafeString(b []byte) string { return unsafe.String(&b[0], len(b)) }

func right(subject, object, action, effect string) access.Rule {
	return access.Rule{Subject: subject, Object: object, Action: action, Effect: effect}
}

func TestGoodRules(t *testing.T) {
	for _, r := range []access.Rule{
		right("role:editor", "channel:orders.42", "publish", "allow"),
		right("role:viewer", "channel:*", "read", "deny"),
		right("role:publisher", "channel:a.b.*", "publish", "deny"),
		right("user:auth0|5f7c8ec7", "source:src_1", "read", "allow"),
		right("user:a@b.example", "connection:*", "manage", "allow"),
		right("role:x", "channels", "read", "allow"),
		right("role:x", "token", "write", "allow"),
		{Subject: "user:alice", Role: "role:editor"},
		{Subject: "role:editor", Role: "role:viewer"},
	} {
		if err := access.Check([]access.Rule{r}); err != nil {
			t.Errorf("%+v: got %v, want accepted", r, err)
		}
	}
}

func TestBadRules(t *testing.T) {
	good := right("role:editor", "channel:orders", "read", "allow")
	for name, r := range map[string]access.Rule{
		"empty":                {},
		"subject bare":         right("editor", good.Object, "read", "allow"),
		"subject star":         right("*", good.Object, "read", "allow"),
		"subject role star":    right("role:*", good.Object, "read", "allow"),
		"subject of owner":     right("role:owner", good.Object, "read", "deny"),
		"subject of admin":     right("role:admin", good.Object, "read", "allow"),
		"subject of operator":  right("role:operator", good.Object, "read", "allow"),
		"subject with comma":   right("user:a,p", good.Object, "read", "allow"),
		"subject with newline": right("user:a\np, x", good.Object, "read", "allow"),
		"subject with space":   right("user:a b", good.Object, "read", "allow"),
		"subject with quote":   right(`user:a"`, good.Object, "read", "allow"),
		"subject of Unicode":   right("user:аlice", good.Object, "read", "allow"),
		"subject long":         right("user:"+strings.Repeat("a", 129), good.Object, "read", "allow"),
		"object star":          right("role:x", "*", "read", "allow"),
		"object /*":            right("role:x", "/*", "read", "allow"),
		"object tenant":        right("role:x", "tenant", "manage", "allow"),
		"object policy":        right("role:x", "policy", "manage", "allow"),
		"object keys":          right("role:x", "key:*", "manage", "allow"),
		"object operator":      right("role:x", "operator:tenants", "manage", "allow"),
		"object regexp":        right("role:x", "channel:.*", "read", "allow"),
		"object star inside":   right("role:x", "channel:a*b", "read", "allow"),
		"object star glued":    right("role:x", "channel:ord*", "read", "allow"),
		"object upper case":    right("role:x", "channel:Orders", "read", "allow"),
		"object dots":          right("role:x", "channel:a..b", "read", "allow"),
		"object source dots":   right("role:x", "source:../x", "read", "allow"),
		"action star":          right("role:x", good.Object, "*", "allow"),
		"action regexp":        right("role:x", good.Object, ".*", "allow"),
		"action empty":         right("role:x", good.Object, "", "allow"),
		"effect empty":         right("role:x", good.Object, "read", ""),
		"effect other":         right("role:x", good.Object, "read", "Allow"),
		"effect eval":          right("role:x", good.Object, "read", "eval(true)"),
		"field long":           right("role:x", "channel:"+strings.Repeat("a.", 200)+"a", "read", "allow"),
		"grant and right": {Subject: "role:x", Role: "role:viewer", Object: "channel:x", Action: "read",
			Effect: "allow"},
		"grant owner":    {Subject: "user:me", Role: "role:owner"},
		"grant admin":    {Subject: "user:me", Role: "role:admin"},
		"grant operator": {Subject: "user:me", Role: "role:operator"},
		"grant a user":   {Subject: "user:me", Role: "user:you"},
		"grant star":     {Subject: "user:me", Role: "*"},
		"grant itself":   {Subject: "role:x", Role: "role:x"},
	} {
		err := access.Check([]access.Rule{r})
		if tenants.KindOf(err) != tenants.Unprocessable || tenants.CodeOf(err) != "invalid_policy" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPolicyBounds(t *testing.T) {
	var many []access.Rule
	for i := range access.MaxRules {
		many = append(many, right("role:r", fmt.Sprint("channel:c", i), "read", "allow"))
	}
	if err := access.Check(many); err != nil {
		t.Errorf("%d rows: got %v", len(many), err)
	}
	many = append(many, access.Rule{Subject: "role:r", Role: "role:s"})
	if err := access.Check(many); tenants.CodeOf(err) != "invalid_policy" {
		t.Errorf("%d rows: got %v", len(many), err)
	}
	var large []access.Rule
	for i := range 400 {
		large = append(large, right("user:"+strings.Repeat("a", 128),
			fmt.Sprintf("channel:%d.%s", i, strings.Repeat("b", 60)), "read", "allow"))
	}
	if err := access.Check(large); tenants.CodeOf(err) != "invalid_policy" {
		t.Errorf("more than 64 KiB: got %v, want invalid_policy", err)
	}
}

// Decisions follow every chain of grants that Check accepts, and Check is fast even for dense grants.
func TestChainsOfGrants(t *testing.T) {
	chain := func(n int) (rules []access.Rule) {
		for i := range n {
			rules = append(rules, access.Rule{Subject: fmt.Sprint("role:r", i), Role: fmt.Sprint("role:r", i+1)})
		}
		return append(rules, right(fmt.Sprint("role:r", n), "channel:end", "publish", "allow"))
	}
	if err := access.Check(chain(8)); err != nil {
		t.Error(err)
	}
	r := &rows{}
	r.set(tenA, chain(8)...)
	if !allowed(t, newGate(t, r), key("r0"), "channel:end", "publish") {
		t.Error("the longest chain that Check accepts is not followed")
	}
	tangle := make([]access.Rule, 0, 1000)
	for i := range 31 {
		for j := range 31 {
			if i != j {
				tangle = append(tangle, access.Rule{Subject: fmt.Sprint("role:r", i), Role: fmt.Sprint("role:r", j)})
			}
		}
	}
	layers := make([]access.Rule, 0, 1000) // no circle: eight layers of eleven, each granted all of the next
	for l := range 8 {
		for i := range 11 {
			for j := range 11 {
				layers = append(layers, access.Rule{Subject: fmt.Sprintf("role:l%d-%d", l, i),
					Role: fmt.Sprintf("role:l%d-%d", l+1, j)})
			}
		}
	}
	start := time.Now()
	for name, rules := range map[string][]access.Rule{"nine on": chain(9),
		"a circle": {{Subject: "role:a", Role: "role:b"}, {Subject: "role:b", Role: "role:a"}}, "a tangle": tangle} {
		if err := access.Check(rules); tenants.CodeOf(err) != "invalid_policy" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := access.Check(layers); err != nil {
		t.Errorf("layers: got %v, want accepted", err)
	}
	r.set(tenA, layers...)
	if allowed(t, newGate(t, r), key("l0-0"), "channel:end", "publish") {
		t.Error("allowed without a grant")
	}
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("took %v, too long", d)
	}
}

// Rows that Check accepts name only what a tenant may name, are understood by the Gate, and give nobody rights to the
// tenant, its policy or its keys.
func FuzzRule(f *testing.F) {
	f.Add("role:editor", "", "channel:orders.*", "read", "allow")
	f.Add("user:alice", "role:editor", "", "", "")
	f.Add("role:*", "role:owner", "*", ".*", "allow")
	f.Add("user:a,b", "", "channel:a\nb", "read", "deny")
	f.Fuzz(func(t *testing.T, subject, role, object, action, effect string) {
		rule := access.Rule{Subject: subject, Role: role, Object: object, Action: action, Effect: effect}
		if access.Check([]access.Rule{rule}) != nil {
			return
		}
		for _, field := range []string{subject, role, object, action, effect} {
			if strings.ContainsAny(field, ", \t\r\n\"'`()\\") || strings.Count(field, "*") > 1 ||
				strings.Contains(field, "*") && field != object {
				t.Fatalf("%q is accepted", field)
			}
		}
		r := &rows{}
		r.set(tenA, rule)
		g := newGate(t, r)
		who := bearer(strings.TrimPrefix(subject, "user:"), nil, strings.TrimPrefix(subject, "role:"))
		for _, forbidden := range []string{"tenant", "policy", "key:owner", "key:viewer", "operator:tenants",
			"limits"} {
			if allowed(t, g, who, forbidden, access.Manage) {
				t.Fatalf("%+v gives %s", rule, forbidden)
			}
		}
		if effect == access.Allow {
			if name := strings.Replace(object, "*", "x", 1); !allowed(t, g, who, name, action) {
				t.Fatalf("%+v does not give %s", rule, name)
			}
		}
		if allowed(t, g, tenants.Principal{Tenant: tenB, Subject: who.Subject, Roles: []string{"nobody"}}, "channel:x",
			access.Read) {
			t.Fatalf("%+v affects another tenant", rule)
		}
	})
}
