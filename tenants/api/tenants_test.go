package api_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants/api"
)

func TestSignupMakesATenantAndItsOwnersKey(t *testing.T) {
	w := newWorld(t)
	a := w.do("POST", "/v1/signup", "", `{"name":"Acme","email":"Ops@Example.com"}`).want(201)
	if a.get("tenant", "name") != "Acme" || a.get("tenant", "email") != "ops@example.com" ||
		a.get("tenant", "plan") != "free" || a.get("api_key", "role") != "owner" {
		t.Errorf("got %s, want tenant.name Acme, tenant.email ops@example.com, tenant.plan free, api_key.role owner",
			a.body)
	}
	own := w.do("GET", "/v1/tenant", a.get("api_key", "secret"), nil).want(200)
	if own.get("id") != a.get("tenant", "id") || own.get("limits", "connections") != "1000" ||
		own.get("suspended") != "false" {
		t.Errorf("got %s, want id %v, limits.connections 1000, suspended false", own.body, a.get("tenant", "id"))
	}
}

func TestSignupIs403WhereTheOperatorClosedIt(t *testing.T) {
	w := newWorld(t, func(o *api.Options) { o.SignupOpen = false })
	w.do("POST", "/v1/signup", "", `{"name":"Acme","email":"ops@example.com"}`).want(403, "signup_closed")
	w.tenant("Acme")
}

func TestSignupIs429AfterFiveFromOneAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for range 5 {
			w.do("POST", "/v1/signup", "", `{"name":"Acme","email":"ops@example.com"}`).want(201)
		}
		a := w.do("POST", "/v1/signup", "", `{"name":"Acme","email":"ops@example.com"}`).want(429, "signup_limit")
		if a.header.Get("Retry-After") != "720" {
			t.Errorf("Retry-After %q, want Retry-After 720", a.header.Get("Retry-After"))
		}
		w.do("POST", "/v1/signup", "", `{"name":""}`).want(422)
		time.Sleep(12 * time.Minute)
		w.do("POST", "/v1/signup", "", `{"name":"Acme","email":"ops@example.com"}`).want(201)
	})
}

func TestATenantChangesItsNameAndOriginsAndNothingElse(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	a := w.do("PATCH", "/v1/tenant", ten.key, `{"name":"Acme Ltd","origins":["https://app.example.com"]}`).want(200)
	if a.get("name") != "Acme Ltd" || a.get("origins") != `["https://app.example.com"]` {
		t.Errorf(`got %s, want name "Acme Ltd", origins ["https://app.example.com"]`, a.body)
	}
	for _, member := range []string{`"id":"x"`, `"plan":"unlimited"`, `"limits":{"connections":0}`, `"suspended":false`,
		`"email":"a@b.example"`, `"created_at":"x"`} {
		a := w.do("PATCH", "/v1/tenant", ten.key, "{"+member+"}").want(422, "invalid_fields")
		if a.get("errors", 0, "detail") != "is read-only" {
			t.Errorf(`%s: got %s, want errors.0.detail "is read-only"`, member, a.body)
		}
	}
	w.do("PATCH", "/v1/tenant", ten.key, `{"origins":["example.com"]}`).want(422, "invalid_origin")
	if now := w.do("GET", "/v1/tenant", ten.key, nil).want(200); now.get("name") != "Acme Ltd" ||
		now.get("plan") != "free" {
		t.Errorf(`got %s, want name "Acme Ltd", plan free`, now.body)
	}
}

func TestADeletedTenantsKeyIs401(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	_, admin := w.key(ten, "admin")
	w.do("DELETE", "/v1/tenant", admin, nil).want(403, "forbidden")
	w.do("DELETE", "/v1/tenant", ten.key, nil).want(204)
	w.do("GET", "/v1/tenant", ten.key, nil).want(401, "invalid_api_key")
	w.do("GET", "/v1/tenant", admin, nil).want(401, "invalid_api_key")
	w.do("GET", "/v1/tenants/"+ten.id, w.operator, nil).want(404, "tenant_not_found")
	w.do("DELETE", "/v1/tenants/"+ten.id, w.operator, nil).want(404, "tenant_not_found")
}

func TestASuspendedTenantIs403EverywhereButWhereItSeesItself(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	if a := w.do("POST", "/v1/tenants/"+ten.id+"/suspend", w.operator, nil).want(200); a.get("suspended") != "true" {
		t.Errorf("got %s, want suspended true", a.body)
	}
	for _, r := range api.Routes() {
		if r.Public || r.Operator {
			continue
		}
		path := strings.NewReplacer("{channel}", "a", "{id}", "x", "{secret}", "x").Replace(r.Path)
		a := w.do(r.Method, path, ten.key, nil)
		if r.Method == "GET" && r.Path == "/v1/tenant" {
			if a.want(200).get("suspended") != "true" {
				t.Errorf("got %s, want suspended true", a.body)
			}
			continue
		}
		a.want(403, "tenant_suspended")
	}
	w.do("POST", "/v1/tenants/"+ten.id+"/resume", w.operator, `{}`).want(200)
	w.do("GET", "/v1/keys", ten.key, nil).want(200)
}

func TestTheOperatorSetsPlansAndLimits(t *testing.T) {
	w := newWorld(t)
	a := w.do("POST", "/v1/tenants", w.operator,
		`{"name":"Big","email":"ops@example.com","plan":"pro","limits":{"connections":7}}`).want(201)
	id := a.get("tenant", "id")
	if a.get("tenant", "plan") != "pro" || a.get("tenant", "limits", "connections") != "7" ||
		a.get("tenant", "limits", "sources") != "200" {
		t.Errorf("got %s, want tenant.plan pro, tenant.limits.connections 7, tenant.limits.sources 200", a.body)
	}
	a = w.do("PATCH", "/v1/tenants/"+id, w.operator,
		`{"name":"Bigger","plan":"free","limits":{"connections":null,"sources":3}}`).want(200)
	if a.get("name") != "Bigger" || a.get("limits", "connections") != "1000" || a.get("limits", "sources") != "3" {
		t.Errorf("got %s, want name Bigger, limits.connections 1000, limits.sources 3", a.body)
	}
	for body, code := range map[string]string{
		`{"plan":"huge"}`:                     "plan_unknown",
		`{"limits":{"sources":-1}}`:           "invalid_fields",
		`{"limits":{"sources":1.5}}`:          "invalid_fields",
		`{"limits":{"sauces":1}}`:             "invalid_fields",
		`{"limits":[]}`:                       "invalid_fields",
		`{"limits":{"event_bytes":99999999}}`: "invalid_limits",
		`{"suspended":true}`:                  "invalid_fields",
	} {
		w.do("PATCH", "/v1/tenants/"+id, w.operator, body).want(422, code)
	}
}

func TestATenantWhosePlanIsRefusedIsNotMade(t *testing.T) {
	w := newWorld(t)
	w.do("POST", "/v1/tenants", w.operator, `{"name":"Big","email":"ops@example.com","plan":"huge"}`).want(422,
		"plan_unknown")
	if n := w.do("GET", "/v1/tenants", w.operator, nil).want(200).length("data"); n != 0 {
		t.Errorf("%d tenants, want 0", n)
	}
}

func TestTheOperatorsPathsAre404ToOthersAndTheTenantsAre403ToTheOperator(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	for _, r := range api.Routes() {
		path := strings.NewReplacer("{channel}", "a", "{id}", ten.id, "{secret}", "x").Replace(r.Path)
		switch {
		case r.Operator:
			w.do(r.Method, path, ten.key, "{}").want(404, "not_found")
			w.do(r.Method, path, "", "{}").want(401, "credential_missing")
		case !r.Public && r.Path != "/v1/audit-log": // of which the operator has one, too
			w.do(r.Method, path, w.operator, "{}").want(403, "operator_has_no_tenant")
		}
	}
}

func TestLimitsShowWhatIsInUse(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	w.do("POST", "/v1/sources", ten.key, `{"name":"repo","provider":"github","channel":"a"}`).want(201)
	w.publish(ten, "a", "1")
	w.publish(ten, "b", "1")
	for range 4 {
		w.hub.open(ten, "alice", "a")
	}
	a := w.do("GET", "/v1/limits", ten.key, nil).want(200)
	if a.get("in_use") !=
		`{"channels":2,"connections":4,"connections_per_channel":4,"connections_per_ip":4,`+
			`"connections_per_subject":4,"connects_per_second":0,"events_per_month":0,"events_per_second":0,`+
			`"sources":1}` || a.get("limits", "events_per_second") != "100" {
		t.Errorf(
			`got %s, want in_use {"channels":2,"connections":4,"connections_per_channel":4,"connections_per_ip":4,`+
				`"connections_per_subject":4,"connects_per_second":0,"events_per_month":0,"events_per_second":0,`+
				`"sources":1}, limits.events_per_second 100`, a.body)
	}
}

func TestListsGoOnFromTheirCursor(t *testing.T) {
	w := newWorld(t)
	var made []string
	for range 5 {
		made = append(made, w.tenant("Acme").id)
	}
	var seen []string
	for query := "?limit=2"; ; {
		a := w.do("GET", "/v1/tenants"+query, w.operator, nil).want(200)
		for i := range a.length("data") {
			seen = append(seen, a.get("data", i, "id"))
		}
		if a.get("next_cursor") == "null" {
			break
		}
		query = "?limit=2&cursor=" + a.get("next_cursor")
	}
	if len(seen) != 5 {
		t.Errorf("saw %v of %v, want 5", seen, made)
	}
	for i := range seen {
		for j := range i {
			if seen[i] == seen[j] {
				t.Errorf("%s came twice, want it once", seen[i])
			}
		}
	}
}
