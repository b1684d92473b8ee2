package streamer

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/streamer/hub"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/access"
	"github.com/hookcast/hookcast/tenants/token"
)

func hides(role, path, channel string) access.Rule {
	return access.Rule{Subject: "role:" + role, Object: "field:" + path, Action: access.Read, Effect: access.Deny,
		Channel: channel}
}

// A field that is hidden from a role is missing in every output that the role can get, replayed or live, and present
// in all outputs of others.
func TestEveryTransportHidesFieldsFromARole(t *testing.T) {
	onEveryTransport(t, func(t *testing.T, tr transport, sink func(*hub.Options)) {
		w := newWorldOn(t, sink)
		tenant, owner := w.tenant(t)
		w.setPolicy(t, tenant, hides("viewer", "customer.email", "orders.*"))
		viewer := "Authorization: Bearer " + w.token(t, tenant,
			token.Spec{Subject: "alice", Channels: []string{"*"}, TTL: time.Hour})
		const full, seen = `{"n":1,"customer":{"email":"a@b.example","name":"A"}}`, `{"n":1,"customer":{"name":"A"}}`
		const withheld = `{"withheld":true}`
		w.publish(t, tenant, "orders.1", full, "no JSON")
		all := tr.open(t, w, "channel=orders.1&after=0", auth(owner))
		some := tr.open(t, w, "channel=orders.1&after=0", viewer)
		wantEvents(t, all, full, "no JSON")
		wantEvents(t, some, seen, withheld)
		w.publish(t, tenant, "orders.1", full, `{"customer":{"em`, "5")
		wantEvents(t, all, full, `{"customer":{"em`, "5")
		wantEvents(t, some, seen, withheld, "5")
		w.publish(t, tenant, "news", full)
		wantEvents(t, tr.open(t, w, "channel=news&after=0", viewer), full) // another channel
	})
}

// An open stream follows a change of policy within two seconds, in both directions.
func TestOpenStreamsFollowWhatIsHidden(t *testing.T) {
	onEveryTransport(t, func(t *testing.T, tr transport, sink func(*hub.Options)) {
		w := newWorldOn(t, sink)
		tenant, _ := w.tenant(t)
		viewer := "Authorization: Bearer " + w.token(t, tenant,
			token.Spec{Subject: "alice", Channels: []string{"*"}, TTL: time.Hour})
		c := tr.open(t, w, "channel=a&after=0", viewer)
		await := func(want string) {
			t.Helper()
			for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
				w.publish(t, tenant, "a", `{"email":"e","n":1}`)
				if c.next(t).data == want {
					return
				}
				if time.Since(began) > 2*time.Second {
					t.Fatalf("two seconds after the change it is not %s", want)
				}
			}
		}
		await(`{"email":"e","n":1}`)
		w.setPolicy(t, tenant, hides("viewer", "email", ""))
		await(`{"n":1}`)
		w.setPolicy(t, tenant, hides("viewer", "n", ""))
		await(`{"email":"e"}`)
		w.setPolicy(t, tenant)
		await(`{"email":"e","n":1}`)
	})
}

// Every form of an event uses the same view.
func TestEveryFormatHidesFields(t *testing.T) {
	w := newWorld(t)
	tenant, _ := w.tenant(t)
	w.setPolicy(t, tenant, hides("viewer", "email", ""))
	viewer := "Authorization: Bearer " + w.token(t, tenant,
		token.Spec{Subject: "alice", Channels: []string{"*"}, TTL: time.Hour})
	w.publish(t, tenant, "a", `{"email":"e@x.example","n":1}`)
	// the original form is not available to tokens
	for _, form := range []string{"", "&types=off", "&format=cloudevents", "&types=off&format=cloudevents"} {
		for _, tr := range transports {
			if tr.name == "poll" && form == "&types=off&format=cloudevents" {
				continue
			}
			c := tr.open(t, w, "channel=a&after=0"+form, viewer)
			data := c.next(t).data
			if form != "" && strings.HasPrefix(tr.name, "sse") {
				var e struct{ Data json.RawMessage }
				if err := json.Unmarshal([]byte(data), &e); err != nil {
					t.Fatalf("%s%s: %q", tr.name, form, data)
				}
				data = string(e.Data)
			}
			if data != `{"n":1}` {
				t.Errorf("%s%s: %s", tr.name, form, data)
			}
			c.Close()
		}
	}
}

// The fields hidden at the request's first check may differ from those hidden when the hub knows the connection.
func TestAFieldThatIsHiddenWhileARequestIsCheckedIsNotShown(t *testing.T) {
	for _, target := range []string{"/v1/stream?channel=a&after=0", "/v1/poll?channel=a&after=0",
		"/v1/poll?channel=a&after=0&wait=0"} {
		w := newWorld(t)
		tenant, _ := w.tenant(t)
		raw := w.token(t, tenant, token.Spec{Subject: "alice", Channels: []string{"*"}, TTL: time.Hour})
		w.publish(t, tenant, "a", `{"email":"SECRET","n":1}`)
		first := true
		w.policies.asked = func(tenants.TenantID) {
			if first {
				first = false
				w.setPolicy(t, tenant, hides("viewer", "email", ""))
			}
		}
		s := w.open(t, target, "Authorization: Bearer "+raw)
		var b strings.Builder
		for buffer := make([]byte, 4096); !strings.Contains(b.String(), `"n":1`); {
			n, err := s.head.Body.Read(buffer)
			b.Write(buffer[:n])
			if err != nil {
				break
			}
		}
		if got := b.String(); strings.Contains(got, "SECRET") || !strings.Contains(got, `{"n":1}`) {
			t.Errorf("%s: %s", target, got)
		}
	}
}

// A renewed connection shows the fields that its new token may see.
func TestARenewalBringsItsOwnView(t *testing.T) {
	w := newWorld(t)
	tenant, _ := w.tenant(t)
	w.setPolicy(t, tenant, hides("viewer", "email", ""),
		access.Rule{Subject: "role:support", Object: "channel:*", Action: access.Subscribe, Effect: access.Allow})
	mint := func(roles ...string) string {
		return w.token(t, tenant, token.Spec{Subject: "alice", Roles: roles, Channels: []string{"*"}, TTL: time.Hour})
	}
	s := w.open(t, "/v1/stream?channel=a", "Authorization: Bearer "+mint("support"))
	var open struct {
		ID string `json:"connection_id"`
	}
	if err := json.Unmarshal(s.next(t).Data, &open); err != nil {
		t.Fatal(err)
	}
	w.publish(t, tenant, "a", `{"email":"e"}`)
	s.want(t, "note", `{"email":"e"}`, "1")
	for n, c := range []struct{ role, want string }{{"viewer", `{}`}, {"support", `{"email":"e"}`}} {
		p, err := w.tokens.Verify(t.Context(), mint(c.role))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.hub.Renew(t.Context(), tenant, open.ID, &p); err != nil {
			t.Fatal(err)
		}
		w.publish(t, tenant, "a", `{"email":"e"}`)
		s.want(t, "note", c.want, string(rune('2'+n)))
	}
}
