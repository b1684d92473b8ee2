package access_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
)

const (
	tenA = tenants.TenantID("ten_0000000000000000000000000a")
	tenB = tenants.TenantID("ten_0000000000000000000000000b")
)

// rows is a PolicySource that a test fills.
type rows struct {
	mu      sync.Mutex
	rules   map[tenants.TenantID][]access.Rule
	version map[tenants.TenantID]int64
	err     error
}

func (r *rows) Policies(_ context.Context, t tenants.TenantID) ([]access.Rule, int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rules[t], r.version[t], r.err
}

func (r *rows) set(t tenants.TenantID, rules ...access.Rule) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rules == nil {
		r.rules, r.version = make(map[tenants.TenantID][]access.Rule), make(map[tenants.TenantID]int64)
	}
	r.rules[t] = rules
	r.version[t]++
}

func newGate(t testing.TB, r *rows) *access.Gate {
	t.Helper()
	g, err := access.NewGate(r)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func allowed(t testing.TB, g *access.Gate, p tenants.Principal, object, action string) bool {
	t.Helper()
	yes, err := g.Allow(context.Background(), p, object, action)
	if err != nil {
		t.Fatalf("%s %s: %v", action, object, err)
	}
	return yes
}

func key(roles ...string) tenants.Principal {
	return tenants.Principal{Tenant: tenA, KeyID: "key_1", Roles: roles}
}

func bearer(subject string, channels []string, roles ...string) tenants.Principal {
	return tenants.Principal{Tenant: tenA, TokenID: "tok_1", Subject: subject, Roles: roles, Channels: channels}
}

// The rights of every role for every object, written out: a letter for each of read, write, publish, subscribe, manage.
func TestDefaultRights(t *testing.T) {
	g := newGate(t, &rows{})
	letters := map[byte]string{'r': access.Read, 'w': access.Write, 'p': access.Publish, 's': access.Subscribe,
		'm': access.Manage}
	for _, row := range []struct{ object, owner, admin, publisher, viewer string }{
		{"channel:orders.42", "rwpsm", "rwpsm", "p", "rs"},
		{"channel:*", "rwpsm", "rwpsm", "p", "rs"},
		{"channel:hookcast.notices", "rwpsm", "rwpsm", "p", ""},
		{"channels", "rwpsm", "rwpsm", "r", "r"},
		{"source:*", "rwpsm", "rwpsm", "", ""},
		{"source:src_1", "rwpsm", "rwpsm", "", ""},
		{"event:evt_1", "rwpsm", "rwpsm", "", ""},
		{"connection:con_1", "rwpsm", "rwpsm", "", ""},
		{"token", "rwpsm", "rwpsm", "", ""},
		{"policy", "rwpsm", "rwpsm", "", ""},
		{"limits", "rwpsm", "rwpsm", "", ""},
		{"usage", "rwpsm", "rwpsm", "", ""},
		{"audit", "rwpsm", "rwpsm", "", ""},
		{"trace", "rwpsm", "rwpsm", "", ""},
		{"tenant", "rwpsm", "rw", "", ""},
		{"key:*", "rwpsm", "rwpsm", "", ""},
		{"key:admin", "rwpsm", "rwpsm", "", ""},
		{"key:signer", "rwpsm", "rwpsm", "", ""},
		{"key:owner", "rwpsm", "", "", ""},
		{"operator:tenants", "", "", "", ""},
		{"operator:*", "", "", "", ""},
	} {
		for role, want := range map[string]string{"owner": row.owner, "admin": row.admin, "publisher": row.publisher,
			"viewer": row.viewer, "signer": "", "operator": "", "nobody": "", "": "", "*": ""} {
			for letter, action := range letters {
				if got := allowed(t, g, key(role), row.object, action); got != (strings.IndexByte(want, letter) >= 0) {
					t.Errorf("%s may %s %s: got %v, want %v", role, action, row.object, got, !got)
				}
			}
		}
	}
}

func TestOperatorHasTheOperatorsObjectsAlone(t *testing.T) {
	g := newGate(t, &rows{})
	op := tenants.Principal{Tenant: tenants.System, Operator: true, Roles: []string{"operator", "owner"}}
	if !allowed(t, g, op, access.Operator("tenants"), access.Manage) {
		t.Error("the operator has no rights to its own objects")
	}
	for _, object := range []string{"channel:orders", "tenant", "key:owner", "source:*", "operator", "channels"} {
		if allowed(t, g, op, object, access.Read) {
			t.Errorf("the operator may read %s, want denied", object)
		}
	}
	for _, p := range []tenants.Principal{{}, {Roles: []string{"owner"}},
		{Tenant: tenants.System, Roles: []string{"owner"}}} {
		if allowed(t, g, p, "channel:x", access.Read) {
			t.Errorf("%+v may read a channel, want denied", p)
		}
	}
}

func TestChannelsNarrowWhatRolesGive(t *testing.T) {
	g := newGate(t, &rows{})
	p := bearer("alice", []string{"orders.*", "news"}, "viewer", "publisher")
	for object, want := range map[string]bool{
		"channel:orders.42": true, "channel:orders.a.b": true, "channel:news": true,
		"channel:orders": false, "channel:orders.": true, "channel:newsletter": false, "channel:*": false,
		"channel:ordersx": false, "channels": false, "channel:": false,
	} {
		for _, action := range []string{access.Read, access.Subscribe, access.Publish} {
			if allowed(t, g, p, object, action) != want {
				t.Errorf("%s %s: got %v, want %v", action, object, !want, want)
			}
		}
	}
	if allowed(t, g, bearer("alice", []string{"*"}, "viewer"), "channel:x", access.Publish) {
		t.Error("channels allow what no role allows")
	}
	if allowed(t, g, bearer("alice", []string{}, "viewer"), "channel:x", access.Read) {
		t.Error("an empty list of channels allows every channel, want none")
	}
}

func TestOwnRows(t *testing.T) {
	r := &rows{}
	r.set(tenA,
		access.Rule{Subject: "role:editor", Object: "channel:drafts.*", Action: access.Publish, Effect: access.Allow},
		access.Rule{Subject: "role:editor", Role: "role:viewer"},
		access.Rule{Subject: "role:chief", Role: "role:editor"},
		access.Rule{Subject: "role:viewer", Object: "channel:secret.*", Action: access.Read, Effect: access.Deny},
		access.Rule{Subject: "role:banned", Object: "channel:*", Action: access.Subscribe, Effect: access.Deny},
		access.Rule{Subject: "user:alice", Object: "channel:private.alice", Action: access.Subscribe,
			Effect: access.Allow},
		access.Rule{Subject: "user:mallory", Object: "channel:*", Action: access.Read, Effect: access.Deny},
		access.Rule{Subject: "user:bob", Role: "role:chief"},
	)
	g := newGate(t, r)
	for _, c := range []struct {
		p              tenants.Principal
		object, action string
		want           bool
	}{
		{key("editor"), "channel:drafts.1", access.Publish, true},
		{key("editor"), "channel:orders", access.Publish, false},
		{key("editor"), "channel:orders", access.Read, true}, // granted viewer
		{key("chief"), "channel:drafts.1", access.Publish, true},
		{key("chief"), "channel:orders", access.Read, true}, // granted over two roles
		{key("viewer"), "channel:secret.1", access.Read, false},
		{key("chief"), "channel:secret.1", access.Read, false}, // a grant includes denials
		{key("owner"), "channel:secret.1", access.Read, true},
		// a denial of one role overrides the other's right
		{key("viewer", "banned"), "channel:orders", access.Subscribe, false},
		{key("banned", "viewer"), "channel:orders", access.Subscribe, false},
		{key("viewer"), "channel:orders", access.Subscribe, true},
		{bearer("alice", nil), "channel:private.alice", access.Subscribe, true},
		{bearer("bob", nil), "channel:private.alice", access.Subscribe, true}, // a viewer
		{bearer("carol", nil), "channel:private.alice", access.Subscribe, false},
		{bearer("bob", nil), "channel:drafts.1", access.Publish, true},
		{bearer("mallory", nil, "viewer"), "channel:orders", access.Read, false},
		{bearer("carol", nil, "viewer"), "channel:orders", access.Read, true},
		{bearer("role:owner", nil), "channel:orders", access.Read, false}, // a subject is not a role
		{bearer("owner", nil), "channel:orders", access.Read, false},
		// rows of another tenant
		{tenants.Principal{Tenant: tenB, Roles: []string{"editor"}}, "channel:drafts.1", access.Publish, false},
		{tenants.Principal{Tenant: tenB, Roles: []string{"viewer"}}, "channel:secret.1", access.Read, true},
	} {
		for range 2 { // decided, then cached
			if allowed(t, g, c.p, c.object, c.action) != c.want {
				t.Errorf("%s %v of %s: %s %s: got %v, want %v",
					c.p.Subject, c.p.Roles, c.p.Tenant, c.action, c.object, !c.want, c.want)
			}
		}
	}
}

func TestNewRowsCountOnceForgotten(t *testing.T) {
	r := &rows{}
	g := newGate(t, r)
	p := key("viewer")
	if !allowed(t, g, p, "channel:x", access.Read) {
		t.Fatal("a viewer is denied to read")
	}
	for i := range 20 {
		effect := []string{access.Deny, access.Allow}[i%2]
		r.set(tenA, access.Rule{Subject: "role:viewer", Object: "channel:x", Action: access.Read, Effect: effect})
		g.Forget(tenA)
		if allowed(t, g, p, "channel:x", access.Read) != (effect == access.Allow) {
			t.Fatalf("round %d: got the decision of old rows", i)
		}
	}
	r.set(tenA)
	g.Forget(tenA)
	if !allowed(t, g, p, "channel:x", access.Read) {
		t.Error("a denial remains after its rows were removed")
	}
}

func TestErrorsPermitNothing(t *testing.T) {
	r := &rows{err: tenants.Errorf(tenants.Unavailable, "busy", "busy")}
	g := newGate(t, r)
	if yes, err := g.Allow(context.Background(), key("owner"), "channel:x", access.Read); yes ||
		tenants.KindOf(err) != tenants.Unavailable {
		t.Errorf("got %v, %v; want an error", yes, err)
	}
	for _, action := range []string{"", "*", "Read", "read "} {
		if yes, err := g.Allow(context.Background(), key("owner"), "channel:x", action); yes ||
			tenants.CodeOf(err) != "action_unknown" {
			t.Errorf("action %q: got %v, %v; want an error", action, yes, err)
		}
	}
	r.err = nil
	// a row that Check would refuse
	r.set(tenA, access.Rule{Subject: "role:viewer", Object: "*", Action: "*", Effect: access.Allow})
	g.Forget(tenA)
	if yes, err := g.Allow(context.Background(), key("viewer"), "tenant", access.Manage); yes ||
		tenants.KindOf(err) != tenants.Internal {
		t.Errorf("with rows outside the grammar: got %v, %v; want an error", yes, err)
	}
	if allowed(t, g, tenants.Principal{Tenant: tenB, Roles: []string{"owner"}}, strings.Repeat("x", 300), access.Read) {
		t.Error("an object over the bound is allowed")
	}
}

// A caller that reuses its buffer does not change cached decisions.
func TestGateKeepsNoStringOfItsCaller(t *testing.T) {
	r := &rows{}
	r.set(tenA, access.Rule{Subject: "role:viewer", Object: "channel:secret", Action: access.Read, Effect: access.Deny})
	g := newGate(t, r)
	buffer := []byte("channel:orders")
	if !allowed(t, g, key("viewer"), unsafeString(buffer), access.Read) {
		t.Fatal("a viewer is denied to read")
	}
	copy(buffer, "channel:secret")
	for i := range 5000 { // the map grows and rehashes its keys
		allowed(t, g, key("viewer"), fmt.Sprint("channel:c", i), access.Read)
	}
	if allowed(t, g, key("viewer"), "channel:secret", access.Read) ||
		allowed(t, g, key("viewer"), unsafeString(buffer), access.Read) {
		t.Error("the decision of another channel was returned")
	}
}

func TestManyDecideAtOnce(t *testing.T) {
	r := &rows{}
	r.set(tenA, access.Rule{Subject: "role:editor", Role: "role:viewer"},
		access.Rule{Subject: "role:editor", Object: "channel:no.*", Action: access.Read, Effect: access.Deny})
	g := newGate(t, r)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 300 {
				if w == 0 && i%50 == 0 {
					g.Forget(tenA)
				}
				if !allowed(t, g, key("editor"), fmt.Sprint("channel:yes.", i), access.Read) ||
					allowed(t, g, key("editor"), fmt.Sprint("channel:no.", i), access.Read) {
					t.Errorf("decision %d is wrong", i)
				}
			}
		})
	}
	wg.Wait()
}
