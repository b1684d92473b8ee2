package endtoend

import (
	"encoding/json"
	"testing"
	"time"
)

// row is one row of a policy.
type row map[string]string

// setPolicy replaces the tenant's rows, and returns the new version.
func (d Deployment) setPolicy(t testing.TB, by Tenant, ifMatch string, rows ...row) (etag string) {
	t.Helper()
	if rows == nil {
		rows = []row{}
	}
	a := d.Must(t, "PUT", "/v1/policies", by.Key, map[string]any{"rows": rows}, "If-Match", ifMatch).Want(t, 200)
	return a.Header.Get("ETag")
}

// roleToken mints a token with the role for every channel.
func (d Deployment) roleToken(t testing.TB, by Tenant, subject, role string) string {
	t.Helper()
	var out struct{ Token string }
	d.Must(t, "POST", "/v1/tokens", by.Key, map[string]any{"subject": subject, "roles": []string{role},
		"channels": []string{"*"}, "ttl_seconds": 3600}).Want(t, 201).JSON(t, &out)
	return out.Token
}

// policyEndsStream denies a role a channel while it has an open stream there.
func policyEndsStream(t *testing.T, d Deployment, _ string) {
	tenant := d.Signup(t, "policy")
	token := d.Token(t, tenant, "alice", "*")
	loses := d.MustSubscribe(t, token, "", nil, "orders")
	stays := d.MustSubscribe(t, token, "", nil, "news")
	none := d.Must(t, "GET", "/v1/policies", tenant.Key, nil).Want(t, 200).Header.Get("ETag")
	deny := row{"subject": "role:viewer", "object": "channel:orders", "action": "subscribe", "effect": "deny"}
	etag := d.setPolicy(t, tenant, none, row{"subject": "role:editor", "object": "channel:drafts.*",
		"action": "publish", "effect": "allow"}, deny)
	wantDenied(t, loses)
	d.publish(t, tenant, "news", 1, 1)
	wantNumber(t, stays, 1)
	d.get(t, d.Stream+"/v1/stream?channel=orders", token).Want(t, 403)

	var why struct {
		Allowed bool
		Row     struct{ Index int }
	}
	d.Must(t, "POST", "/v1/policies/check", tenant.Key, map[string]any{"subject": "user:alice",
		"object": "channel:orders", "action": "subscribe"}).Want(t, 200).JSON(t, &why)
	if why.Allowed || why.Row.Index != 1 {
		t.Errorf("the decision is explained by %+v, want row 1", why)
	}
	d.Must(t, "PUT", "/v1/policies", tenant.Key, map[string]any{"rows": []row{}}, "If-Match", none).Want(t, 412)
	d.Must(t, "PUT", "/v1/policies", tenant.Key, map[string]any{"rows": []row{}}).Want(t, 428)
	d.Must(t, "PUT", "/v1/policies", tenant.Key,
		map[string]any{"rows": []row{{"subject": "role:owner", "object": "policy", "action": "write",
			"effect": "deny"}}}, "If-Match", etag).Want(t, 422)
	d.setPolicy(t, tenant, etag)
	awaitWithin(t, staleness, "a poll that is allowed again",
		func() Answer { return d.get(t, d.Stream+"/v1/poll?wait=0&channel=orders", token) },
		func(a Answer) bool { return a.Status == 200 })
}

// hiddenField hides a field from a role while streams are open, and shows it again.
func hiddenField(t *testing.T, d Deployment, _ string) {
	tenant := d.Signup(t, "hidden")
	const full, pruned = `{"n":1,"customer":{"email":"a@example.com","name":"A"}}`, `{"n":1,"customer":{"name":"A"}}`
	support := row{"subject": "role:support", "role": "role:publisher"}
	listen := row{"subject": "role:support", "object": "channel:*", "action": "subscribe", "effect": "allow"}
	hide := row{"subject": "role:viewer", "object": "field:customer.email", "action": "read", "effect": "deny",
		"channel": "orders.*"}
	d.setPolicy(t, tenant, "*", support, listen, hide)
	viewer := d.roleToken(t, tenant, "alice", "viewer")
	publish := func() (accepted Accepted) {
		t.Helper()
		d.Must(t, "POST", "/v1/channels/orders.1/events", tenant.Key,
			map[string]any{"type": "order.created", "data": json.RawMessage(full)}).Want(t, 202).JSON(t, &accepted)
		return accepted
	}
	seen := publish()
	awaitEvents(t, d, tenant, "orders.1", 1)
	some := d.MustSubscribe(t, viewer, "0", nil, "orders.1")
	all := d.MustSubscribe(t, d.roleToken(t, tenant, "bob", "support"), "0", nil, "orders.1")
	publish()
	for range 2 { // replayed, then live
		if f := mustNext(t, some); f.Data != pruned {
			t.Errorf("the viewer's stream has %s, want %s", f.Data, pruned)
		}
		if f := mustNext(t, all); !sameJSON(f.Data, full) {
			t.Errorf("the support's stream has %s, want %s", f.Data, full)
		}
	}
	var page struct{ Data []Event }
	d.mustGet(t, d.Stream+"/v1/poll?wait=0&after=0&channel=orders.1", viewer).JSON(t, &page)
	if len(page.Data) != 2 || string(page.Data[0].Data) != pruned {
		t.Errorf("the viewer's poll has %+v", page)
	}
	for credential, want := range map[string]string{tenant.Key: full, viewer: pruned} {
		var event Event
		d.mustGet(t, d.API+"/v1/events/"+seen.ID, credential).JSON(t, &event)
		if !sameJSON(string(event.Data), want) {
			t.Errorf("the event is %s, want %s", event.Data, want)
		}
	}

	d.setPolicy(t, tenant, "*", support, listen)
	awaitWithin(t, 2*time.Second, "the open stream without the field hidden", func() Frame {
		publish()
		return mustNext(t, some)
	}, func(f Frame) bool { return sameJSON(f.Data, full) })
}

// sameJSON reports whether both are the same value: a gateway may encode a published payload again.
func sameJSON(a, b string) bool {
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	p, _ := json.Marshal(x)
	q, _ := json.Marshal(y)
	return string(p) == string(q)
}
