package access_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
)

func field(subject, path, channel string) access.Rule {
	return access.Rule{Subject: subject, Object: "field:" + path, Action: access.Read, Effect: access.Deny,
		Channel: channel}
}

func hidden(t testing.TB, g *access.Gate, p tenants.Principal) tenants.Hidden {
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
		{bearer("alice", nil, "viewer"), "news", "customer.email price"}, // any of its roles hides
		{bearer("bob", nil, "viewer"), "news", "customer.email"},
		{bearer("bob", nil, "publisher"), "news", ""},
		{bearer("guest", nil), "news", ""}, // a subject is no role
		{key("owner"), "orders.1", ""},
		{key("admin"), "orders.1", ""},
		{tenants.Principal{Tenant: tenB, Roles: []string{"viewer"}}, "orders.1", ""},
	} {
		for range 2 { // worked out, and remembered
			if got := strings.Join(hidden(t, g, c.p).Fields(c.channel), " "); got != c.want {
				t.Errorf("%s %v in %s: %s, want %s", c.p.Subject, c.p.Roles, c.channel, got, c.want)
			}
		}
	}
	if hidden(t, g, key("viewer", "guest")) != hidden(t, g, bearer("zoe", nil, "guest", "viewer", "guest")) {
		t.Error("the same roles have views that are not equal")
	}
	if allowed(t, g, key("viewer"), "field:customer.email", access.Read) ||
		!allowed(t, g, key("viewer"), "channel:orders.1", access.Read) {
		t.Error("a hidden field decides about something else")
	}
	r.set(tenA)
	g.Forget(tenA)
	if h := hidden(t, g, key("viewer")); h != "" {
		t.Errorf("without rows %q is hidden", h)
	}
}

func TestWhoCannotBeToldWhatIsHiddenIsToldNothing(t *testing.T) {
	r := &rows{err: tenants.Errorf(tenants.Unavailable, "busy", "busy")}
	g := newGate(t, r)
	if _, err := g.Hidden(context.Background(), key("owner")); tenants.KindOf(err) != tenants.Unavailable {
		t.Errorf("%v", err)
	}
	for _, p := range []tenants.Principal{{}, {Tenant: tenants.System, Operator: true}} {
		if _, err := g.Hidden(context.Background(), p); err == nil {
			t.Errorf("%+v has a view", p)
		}
	}
}

func TestMoreSetsOfRolesThanAreRemembered(t *testing.T) {
	r := &rows{}
	r.set(tenA, field("role:viewer", "email", ""))
	g := newGate(t, r)
	for i := range 3000 {
		if got := hidden(t, g, key("viewer", fmt.Sprint("r", i))).Fields("a"); len(got) != 1 {
			t.Fatalf("%d: %v", i, got)
		}
	}
}
