package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/api"
	"github.com/hookcast/hookcast/tenants/node"
)

func TestConnectionsAreListedPageByPage(t *testing.T) {
	w := newWorld(t)
	ten, other := w.tenant("Acme"), w.tenant("Other")
	var ids []string
	for i := range 5 {
		ids = append(ids, w.hub.open(ten, fmt.Sprint("user", i), "orders", "returns"))
		w.hub.open(other, "mallory", "orders")
	}
	var got []string
	for cursor := ""; ; {
		a := w.do("GET", "/v1/connections?limit=2"+cursor, ten.key, nil).want(200)
		for i := range a.length("data") {
			got = append(got, a.get("data", i, "id"))
		}
		if a.get("total") != "5" || a.get("incomplete") != "false" {
			t.Errorf("got %s, want total 5, incomplete false", a.body)
		}
		next := a.get("next_cursor")
		if next == "null" {
			break
		}
		w.do("GET", "/v1/connections?limit=2&cursor="+next, other.key, nil).want(400, "invalid_cursor")
		cursor = "&cursor=" + next
	}
	if strings.Join(got, " ") != strings.Join(ids, " ") {
		t.Errorf("listed %v, want %v", got, ids)
	}
	a := w.do("GET", "/v1/connections?limit=1", ten.key, nil).want(200)
	for member, want := range map[string]string{"channel": "orders", "subject": "user0", "transport": "sse",
		"cursor": "7", "backlog": "5", "sent": "100", "ip": "192.0.2.1"} {
		if got := a.get("data", 0, member); got != want {
			t.Errorf("%s is %q, want %q", member, got, want)
		}
	}
	if a.get("data", 0, "channels") != `["orders","returns"]` {
		t.Errorf(`got %s, want data.0.channels ["orders","returns"]`, a.body)
	}
	if n := w.do("GET", "/v1/limits", ten.key, nil).want(200).get("in_use", "connections"); n != "5" {
		t.Errorf("in use: %s, want 5", n)
	}
	_, viewer := w.key(ten, "viewer")
	w.do("GET", "/v1/connections", viewer, nil).want(403, "forbidden")
	w.do("GET", "/v1/connections", w.token(ten, `{"subject":"alice","channels":["*"],"ttl_seconds":60}`).get("token"),
		nil).want(403, "api_key_required")
}

func TestAConnectionIsClosedOnceAndByItsTenantOnly(t *testing.T) {
	w := newWorld(t)
	ten, other := w.tenant("Acme"), w.tenant("Other")
	id := w.hub.open(ten, "alice", "orders")
	_, viewer := w.key(ten, "viewer")
	w.do("DELETE", "/v1/connections/"+id, viewer, nil).want(403, "forbidden")
	w.do("DELETE", "/v1/connections/"+id, other.key, nil).want(404, "connection_not_found")
	w.do("DELETE", "/v1/connections/"+id, ten.key, nil).want(204)
	w.do("DELETE", "/v1/connections/"+id, ten.key, nil).want(404, "connection_not_found")
	for _, junk := range []string{"x", "con_", ten.id, strings.Repeat("c", 200), "con_%00",
		"con_" + strings.Repeat("%2F", 26)} {
		w.do("DELETE", "/v1/connections/"+junk, ten.key, nil).want(404, "connection_not_found")
		w.do("POST", "/v1/connections/"+junk+"/renew", ten.key, nil).want(404, "connection_not_found")
	}
	if n := w.do("GET", "/v1/connections", ten.key, nil).want(200).get("total"); n != "0" {
		t.Errorf("%s are left, want 0", n)
	}
}

func TestAConnectionIsRenewedByATokenOfTheSameSubject(t *testing.T) {
	w := newWorld(t)
	ten, other := w.tenant("Acme"), w.tenant("Other")
	id := w.hub.open(ten, "alice", "orders")
	path := "/v1/connections/" + id + "/renew"
	token := func(of tenant, subject string) string {
		return w.token(of, `{"subject":"`+subject+`","channels":["orders"],"ttl_seconds":60}`).get("token")
	}
	alice := token(ten, "alice")
	a := w.do("POST", path, alice, nil).want(200)
	if a.get("id") != id || a.get("expires_at") == "" {
		t.Errorf("got %s, want id %v, an expires_at", a.body, id)
	}
	got := w.do("GET", "/v1/connections", ten.key, nil).want(200).get("data", 0, "expires_at")
	if got != a.get("expires_at") {
		t.Errorf("it expires at %s, want %s", got, a.get("expires_at"))
	}
	w.do("POST", path, alice, `{}`).want(200)
	w.do("POST", path, token(ten, "bob"), nil).want(403, "connection_of_another")
	w.do("POST", path, ten.key, nil).want(403, "connection_of_another")
	w.do("POST", path, token(other, "alice"), nil).want(404, "connection_not_found")
	w.do("POST", path, other.key, nil).want(404, "connection_not_found")
	w.do("POST", path, "", nil).want(401, "credential_missing")
	w.do("POST", path, alice[:len(alice)-3], nil).want(401)
	w.do("POST", path, w.operator, nil).want(403, "operator_has_no_tenant")
	w.do("POST", path, alice, `{"token":"x"}`).want(422, "invalid_fields")
	w.do("POST", path, alice, `{"a":"`+strings.Repeat("x", 1<<20)+`"}`).want(413, "body_too_large")
	w.do("POST", path, alice, `[`).want(400)
	w.do("POST", path+"?token="+alice, "", nil).want(400, "credential_in_query")
	w.do("POST", "/v1/tokens/revoke", ten.key, `{"subject":"alice"}`).want(204)
	w.do("POST", path, alice, nil).want(401, "token_revoked")
}

// An answer is marked as incomplete if a node did not respond.
func TestSilentNodesAreTold(t *testing.T) {
	var table tenants.Table
	w := newWorld(t, func(o *api.Options) { table = o.Table })
	ten := w.tenant("Acme")
	id := w.hub.open(ten, "alice", "orders")
	w.must(table.Write(t.Context(), tenants.Put(node.Key("nod_silent"), nil, time.Now().Add(time.Hour),
		tenants.Anything())))
	awaitIncomplete := func() answer {
		for {
			if a := w.do("GET", "/v1/connections", ten.key, nil).want(200); a.get("incomplete") == "true" ||
				t.Context().Err() != nil {
				return a
			}
		}
	}
	if a := awaitIncomplete(); a.get("data", 0, "id") != id {
		t.Errorf("got %s, want data.0.id %v", a.body, id)
	}
	nobodys := tenants.NewID(tenants.PrefixConnection)
	w.do("DELETE", "/v1/connections/"+nobodys, ten.key, nil).want(503, "nodes_silent")
	w.do("DELETE", "/v1/connections/"+id, ten.key, nil).want(204)
}
