package access_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
	"github.com/hookcast/hookcast/tenants/hidden"
)

func field(subject, path, channel string) access.Rule {
	return access.Rule{Subject: subject, Object: "field:" + path, Action: access.Read, Effect: access.Deny,
		Channel: channel}
}

func hides(t testing.TB, g *access.Gate, p tenants.Principal) hidden.Hidden {
	t.Helper()
	h, err := g.Hidden(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHiddenFields(t *testing.T) {
	r := &rows{}
	r.set(tenA,
		field("role:viewer", "customer.email", ""), field("role:viewer", "price", "orders.*"),
		field("role:guest", "price", "*"),
		field("role:guest", "customer.email", ""),
		access.Rule{Subject: "role:partner", Role: "role:guest"},
		access.Rule{Subject: "user:alice", Role: "role:guest"},
	)
	g := newGate(t, r)
	for _, c := range []struct {
		p       tenants.Principal
		channel string
		want    string
	}{
		{key("viewer"), "orders.1", "customer.email price"},
		{key("viewer"), "news", "customer.email"},
		{key("guest"), "news", "customer.email price"},
		{key("partner"), "news", "customer.email price"},
		{bearer("alice", nil, "viewer"), "news", "customer.email price"}, // hidden from any of its roles
		{bearer("bob", nil, "viewer"), "news", "customer.email"},
		{bearer("bob", nil, "publisher"), "news", ""},
		{bearer("guest", nil), "news", ""}, // a subject is not a role
		{key("owner"), "orders.1", ""},
		{key("admin"), "orders.1", ""},
		{tenants.Principal{Tenant: tenB, Roles: []string{"viewer"}}, "orders.1", ""},
	} {
		for range 2 { // computed, then cached
			if got := strings.Join(hides(t, g, c.p).Fields(c.channel), " "); got != c.want {
				t.Errorf("%s %v in %s: got %s, want %s", c.p.Subject, c.p.Roles, c.channel, got, c.want)
			}
		}
	}
	if hides(t, g, key("viewer", "guest")) != hides(t, g, bearer("zoe", nil, "guest", "viewer", "guest")) {
		t.Error("the same roles have different hidden fields")
	}
	if allowed(t, g, key("viewer"), "field:customer.email", access.Read) ||
		!allowed(t, g, key("viewer"), "channel:orders.1", access.Read) {
		t.Error("a row that hides a field affects a right")
	}
	r.set(tenA)
	g.Forget(tenA)
	if h := hides(t, g, key("viewer")); h != "" {
		t.Errorf("got hidden %q without rows, want nothing", h)
	}
}

func TestWhoCannotBeToldWhatIsHiddenIsToldNothing(t *testing.T) {
	r := &rows{err: tenants.Errorf(tenants.Unavailable, "busy", "busy")}
	g := newGate(t, r)
	if _, err := g.Hidden(context.Background(), key("owner")); tenants.KindOf(err) != tenants.Unavailable {
		t.Errorf("got error %v, want kind Unavailable", err)
	}
	for _, p := range []tenants.Principal{{}, {Tenant: tenants.System, Operator: true}} {
		if _, err := g.Hidden(context.Background(), p); err == nil {
			t.Errorf("%+v: got hidden fields, want an error", p)
		}
	}
}

func TestMoreSetsOfRolesThanAreRemembered(t *testing.T) {
	r := &rows{}
	r.set(tenA, field("role:viewer", "email", ""))
	g := newGate(t, r)
	for i := range 3000 {
		if got := hides(t, g, key("viewer", fmt.Sprint("r", i))).Fields("a"); len(got) != 1 {
			t.Fatalf("%d: %v", i, got)
		}
	}
}
