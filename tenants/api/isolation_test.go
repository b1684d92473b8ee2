package api_test

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Two tenants have the same objects, channel names included. Each credential of the one is used with each id of the
// other.

// estate is a tenant with one object of each kind, and texts that only this tenant may see.
type estate struct {
	tenant
	credentials map[string]string // by kind
	ids         map[string]string // by the path's first segment after /v1
	marks       []string          // must not reach another tenant
	hook        string            // the path of the source's URL
}

func (w *world) estate(name string) estate {
	w.t.Helper()
	e := estate{tenant: w.tenant(name), credentials: make(map[string]string), ids: make(map[string]string)}
	for _, role := range []string{"admin", "publisher", "viewer"} {
		id, key := w.key(e.tenant, role)
		e.credentials[role], e.marks = key, append(e.marks, id)
		e.ids["keys"] = id
	}
	e.credentials["owner"] = e.key
	e.credentials["token"] = w.token(e.tenant, `{"subject":"alice","channels":["*"],"ttl_seconds":3600}`).get("token")
	s := w.source(e.tenant, "orders")
	e.ids["sources"], e.ids["tenants"], e.hook = s.id, e.id, s.path
	e.ids["secrets"] = w.do("GET", "/v1/sources/"+s.id, e.key, nil).want(200).get("secrets", 0, "id")
	e.ids["endpoints"] = w.do("POST", "/v1/endpoints", e.key,
		`{"name":"`+name+`","url":"https://hooks.example.com/","headers":{"X-Tenant":"`+name+`"}}`).want(201).get("id")
	e.ids["proxies"] = w.do("POST", "/v1/proxies", e.key,
		`{"name":"`+name+`","url":"https://stream.example.com/"}`).want(201).get("id")
	e.ids["events"] = w.publish(e.tenant, "orders", fmt.Sprintf("%q", "only "+name+" reads this"))
	w.catchUp()
	e.ids["deliveries"] = w.delivered(e.tenant, e.ids["events"], e.ids["endpoints"])
	e.ids["replays"] = w.do("POST", "/v1/replays", e.key,
		`{"endpoint":"`+e.ids["endpoints"]+`","since":"2026-01-02T00:00:00Z"}`).want(202).get("id")
	w.setPolicy(e.tenant, right("user:"+e.id, "channel:orders", "publish", "allow"))
	job := w.do("POST", "/v1/jobs", e.key, `{"name":"`+name+`"}`).want(201)
	e.ids["jobs"] = job.get("id")
	e.marks = append(e.marks, e.ids["jobs"], job.get("token"))
	w.pump()
	e.ids["connections"] = w.hub.open(e.tenant, "alice", "orders")
	e.marks = append(e.marks, e.ids["connections"], e.ids["deliveries"], e.ids["replays"], e.ids["endpoints"],
		e.ids["proxies"], e.id, name, s.id, strings.TrimPrefix(s.path, "/in/"), e.ids["secrets"], e.ids["events"])
	return e
}

// path replaces the parameters of a route with ids of e, or with unknown ids.
func (e estate) path(route string, of func(kind string) string) string {
	filled := route
	kind := strings.Split(route, "/")[2]
	filled = strings.Replace(filled, "{id}", of(kind), 1)
	filled = strings.Replace(filled, "{secret}", of("secrets"), 1)
	filled = strings.Replace(filled, "{channel}", "orders", 1)
	return strings.Replace(filled, "{token}", "x", 1)
}

// nobodys returns a well-formed id of an object that does not exist.
func nobodys(kind string) string {
	prefix := map[string]string{"keys": "key_", "sources": "src_", "tenants": "ten_", "secrets": "sec_",
		"events": "evt_", "connections": "con_", "endpoints": "end_", "proxies": "prx_", "deliveries": "dlv_",
		"replays": "rpl_", "jobs": "job_"}[kind]
	return prefix + "01k9zq3v8d2m4n6p8r0t2v4x6z"
}

// bodies are valid bodies for the routes.
func isolationBody(method, path string) any {
	switch {
	case method != http.MethodPost && method != http.MethodPut && method != http.MethodPatch:
		return nil
	case path == "/v1/policies":
		return rowsOf()
	case path == "/v1/policies/check":
		return `{"subject":"role:viewer","object":"channel:orders","action":"read"}`
	case path == "/v1/channels/{channel}/events":
		return `{"type":"x","data":1}`
	case path == "/v1/sources":
		return `{"name":"x","provider":"github","channel":"x"}`
	case path == "/v1/endpoints":
		return `{"name":"x","url":"https://hooks.example.com/"}`
	case path == "/v1/proxies":
		return `{"name":"x","url":"https://stream.example.com/"}`
	case path == "/v1/endpoints/{id}/recover":
		return `{"since":"2026-01-02T00:00:00Z"}`
	case path == "/v1/keys":
		return `{"name":"x","role":"viewer"}`
	case path == "/v1/tokens":
		return `{"subject":"x","channels":["*"],"ttl_seconds":60}`
	case path == "/v1/tokens/revoke":
		return `{"subject":"alice"}`
	case path == "/v1/events/{id}/replay":
		return `{"channel":"stolen"}`
	case path == "/v1/replays":
		return `{"endpoint":"` + nobodys("endpoints") + `","since":"2026-01-02T00:00:00Z"}`
	case path == "/v1/jobs/run":
		return `{"endpoint":"` + nobodys("endpoints") + `"}`
	case path == "/v1/jobs/{id}/log":
		return `{"lines":["stolen"]}`
	case path == "/v1/jobs/{id}/fail":
		return `{"error":"stolen"}`
	case path == "/v1/sources/{id}/test":
		return `{"headers":{}}`
	case method == http.MethodPatch:
		return `{"name":"taken"}`
	}
	return `{}`
}

var requestID = regexp.MustCompile(`req_[0-9a-z]{26}`)

// snapshot returns all objects of e as its owner sees them.
func (w *world) snapshot(e estate) string {
	var b strings.Builder
	for _, path := range []string{"/v1/tenant", "/v1/keys", "/v1/policies", "/v1/sources",
		"/v1/sources/" + e.ids["sources"], "/v1/endpoints", "/v1/endpoints/" + e.ids["endpoints"],
		"/v1/endpoints/" + e.ids["endpoints"] + "/secret", "/v1/proxies", "/v1/proxies/" + e.ids["proxies"],
		"/v1/channels", "/v1/channels/orders/events", "/v1/events/" + e.ids["events"], "/v1/events", "/v1/connections",
		"/v1/jobs", "/v1/jobs/" + e.ids["jobs"],
		"/v1/deliveries", "/v1/deliveries/" + e.ids["deliveries"], "/v1/dead-letters",
		"/v1/replays/" + e.ids["replays"]} {
		b.Write(w.do("GET", path, e.key, nil).want(200).body)
		b.WriteByte('\n')
	}
	w.do("GET", "/v1/channels/orders", e.credentials["token"], nil).want(200)
	return b.String()
}

func TestNoCredentialOfATenantReachesAnythingOfAnother(t *testing.T) {
	w := newWorld(t)
	one, other := w.estate("Tenant One"), w.estate("Tenant Other")
	before := w.snapshot(other)
	paths := theContract(t).doc.Paths
	var names []string
	for path := range paths.Map() {
		names = append(names, path)
	}
	slices.Sort(names)
	tried := 0
	for _, route := range names {
		for method := range paths.Value(route).Operations() {
			// deletes the caller's own tenant
			if elsewhere(route) || method == http.MethodDelete && route == "/v1/tenant" {
				continue
			}
			foreign := other.path(route, func(kind string) string { return other.ids[kind] })
			absent := other.path(route, nobodys)
			for who, credential := range one.credentials {
				tried++
				said := fmt.Sprintf("%s %s as the other's %s", method, route, who)
				body := isolationBody(method, route)
				a := w.do(method, foreign, credential, body, "If-Match", "*")
				if strings.Contains(route, "{id}") && a.status != 404 && a.status != 401 && a.status != 403 {
					t.Errorf("%s: got %d %s, want 401, 403 or 404", said, a.status, a.body)
				}
				if a.status == 403 && !roleRefusal(a.code()) {
					t.Errorf("%s: got 403 %s, want a refusal of the role", said, a.body)
				}
				for _, mark := range other.marks {
					if strings.Contains(string(a.body), mark) {
						t.Errorf("%s: got %s, want the body without %s", said, a.body, mark)
					}
				}
				if foreign == absent {
					continue
				}
				b := w.do(method, absent, credential, body)
				if got, want := requestID.ReplaceAll(a.body, nil),
					requestID.ReplaceAll(b.body, nil); a.status != b.status || string(got) != string(want) {
					t.Errorf("%s: another tenant's object gives %d %s, want %d %s as for an unknown one", said,
						a.status, got, b.status, want)
				}
			}
		}
	}
	w.pump()
	if tried < 100 {
		t.Errorf("%d requests were tried, want at least 100", tried)
	}
	if after := w.snapshot(other); after != before {
		t.Errorf("the other tenant saw a change:\n%s\nwant:\n%s", after, before)
	}
}

// roleRefusal reports whether a 403 is about the credential's rights, independent of any object.
func roleRefusal(code string) bool { return code == "forbidden" || code == "api_key_required" }

func TestAnOwnersKeyGets404ForEveryIDOfAnotherTenant(t *testing.T) {
	w := newWorld(t)
	one, other := w.estate("Tenant One"), w.estate("Tenant Other")
	for path, item := range theContract(t).doc.Paths.Map() {
		for method := range item.Operations() {
			if elsewhere(path) || !strings.Contains(path, "{id}") {
				continue
			}
			foreign := other.path(path, func(kind string) string { return other.ids[kind] })
			if a := w.do(method, foreign, one.key, isolationBody(method, path)); a.status != 404 {
				t.Errorf("%s %s: %d %s, want status 404", method, path, a.status, a.body)
			}
		}
	}
	mixed := "/v1/sources/" + one.ids["sources"] + "/secrets/" + other.ids["secrets"]
	w.do("DELETE", mixed, one.key, nil).want(404, "secret_not_found")
}

func TestATenantInABodyAQueryOrAHeaderCountsForNothing(t *testing.T) {
	w := newWorld(t)
	one, other := w.tenant("One"), w.tenant("Other")
	w.do("POST", "/v1/keys", one.key, `{"name":"x","role":"viewer","tenant":"`+other.id+`"}`).want(422,
		"invalid_fields")
	a := w.do("GET", "/v1/tenant?tenant="+other.id, one.key, nil, "X-Tenant-Id", other.id).want(200)
	if a.get("id") != one.id {
		t.Errorf("got %s, want id %v", a.body, one.id)
	}
}

func TestACursorOfAnotherTenantIs400(t *testing.T) {
	w := newWorld(t)
	one, other := w.tenant("One"), w.tenant("Other")
	w.key(one, "viewer")
	w.key(other, "viewer")
	cursor := w.do("GET", "/v1/keys?limit=1", other.key, nil).want(200).get("next_cursor")
	w.do("GET", "/v1/keys?limit=1&cursor="+cursor, other.key, nil).want(200)
	w.do("GET", "/v1/keys?limit=1&cursor="+cursor, one.key, nil).want(400, "invalid_cursor")
}

func TestASignatureOfOneTenantsSourceIs401AtAnothersWithTheSameName(t *testing.T) {
	w := newWorld(t)
	one, other := w.tenant("One"), w.tenant("Other")
	a := w.do("POST", "/v1/sources", one.key, `{"name":"repo","provider":"github","channel":"a"}`).want(201)
	b := w.do("POST", "/v1/sources", other.key, `{"name":"repo","provider":"github","channel":"a"}`).want(201)
	path := strings.TrimPrefix(b.get("url"), publicURL)
	w.hook(path, a.get("secret"), "d", "{}").want(401, "signature_mismatch")
	w.hook(path, b.get("secret"), "d", "{}").want(202)
	w.pump()
	if n := w.do("GET", "/v1/channels/a/events", one.key, nil).want(200).length("data"); n != 0 {
		t.Errorf("one tenant has %d of another's events, want 0", n)
	}
}
