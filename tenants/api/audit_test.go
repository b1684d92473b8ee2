package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/api"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// audited returns the audit log as lines of actor, action and object, the oldest first.
func (w *world) audited(credential string) (lines []string) {
	w.t.Helper()
	for path := "/v1/audit-log?limit=3"; ; {
		a := w.do("GET", path, credential, nil).want(200)
		for i := range a.length("data") {
			if a.get("data", i, "ip") != "192.0.2.1" || !requestID.MatchString(a.get("data", i, "request_id")) ||
				a.get("data", i, "time") == "" {
				w.t.Errorf("got %s, want the ip 192.0.2.1, a request id and a time", a.body)
			}
			lines = append(lines, strings.TrimRight(fmt.Sprint(a.get("data", i, "actor"),
				" ", a.get("data", i, "action"), " ", a.get("data", i, "object")), " "))
		}
		if a.get("next_cursor") == "null" {
			slices.Reverse(lines)
			return lines
		}
		path = "/v1/audit-log?limit=3&cursor=" + a.get("next_cursor")
	}
}

func TestEveryChangeIsInTheAuditLogOnce(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	admin, adminKey := w.key(ten, "admin")
	s := w.source(ten, "hooks")
	w.do("PATCH", "/v1/sources/"+s.id, adminKey, `{"name":"renamed"}`, "X-Forwarded-For", "203.0.113.9").want(200)
	secret := w.do("POST", "/v1/sources/"+s.id+"/secrets", adminKey, `{}`, "Idempotency-Key", "k").want(201).get("id")
	w.do("POST", "/v1/sources/"+s.id+"/secrets", adminKey, `{}`, "Idempotency-Key", "k").want(201) // the same key again
	w.do("DELETE", "/v1/sources/"+s.id+"/secrets/"+secret, adminKey, nil).want(204)
	w.do("POST", "/v1/sources/"+s.id+"/rotate-url", adminKey, nil).want(200)
	w.do("PATCH", "/v1/sources/"+s.id, adminKey, `{"name":""}`).want(422)
	w.do("PATCH", "/v1/sources/"+nobodys("sources"), adminKey, `{"name":"a"}`).want(404)
	w.do("GET", "/v1/sources/"+s.id, adminKey, nil).want(200)
	w.publish(ten, "orders", "1")
	w.do("DELETE", "/v1/channels/orders", adminKey, nil).want(204)
	w.setPolicy(ten)
	w.do("PATCH", "/v1/tenant", adminKey, `{"name":"Bolt"}`).want(200)
	w.do("POST", "/v1/tenants/"+ten.id+"/suspend", w.operator, nil).want(200)
	w.do("POST", "/v1/tenants/"+ten.id+"/resume", w.operator, nil).want(200)
	w.do("DELETE", "/v1/keys/"+admin, ten.key, nil).want(204)

	owner := w.do("GET", "/v1/keys", ten.key, nil).want(200).get("data", 0, "id")
	want := []string{
		"operator tenant.create " + ten.id, owner + " key.create " + admin, owner + " source.create " + s.id,
		admin + " source.update " + s.id,
		admin + " source.secret.create " + s.id + "/" + secret, admin + " source.secret.delete " + s.id + "/" + secret,
		admin + " source.url.rotate " + s.id,
		admin + " channel.purge orders", owner + " policy.replace", admin + " tenant.update",
		"operator tenant.suspend " + ten.id, "operator tenant.resume " + ten.id, owner + " key.delete " + admin,
	}
	if got := w.audited(ten.key); !slices.Equal(got, want) {
		t.Errorf("the log has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	other := w.do("POST", "/v1/signup", "", `{"name":"Other","email":"a@b.example"}`).want(201)
	w.keep(other.get("api_key", "secret"))
	id := other.get("tenant", "id")
	if got := w.audited(other.get("api_key", "secret")); !slices.Equal(got, []string{"signup tenant.signup " + id}) {
		t.Errorf("another tenant's log has %q, want its signup alone", got)
	}
	w.do("DELETE", "/v1/tenant", other.get("api_key", "secret"), nil).want(204)
	operators := w.audited(w.operator)
	if len(operators) != 5 || !strings.HasSuffix(operators[4], " tenant.delete "+id) ||
		operators[1] != "operator tenant.suspend "+ten.id {
		t.Errorf("the operator's log has %q, want 5 entries, the last of the deletion", operators)
	}
}

// Changes that are deliberately not in the audit log are listed here.
func TestRoutesThatChangeSomethingAreAudited(t *testing.T) {
	unlogged := []string{
		// the product's normal use, in any number
		"POST /v1/channels/{channel}/events", "POST /v1/tokens", "POST /v1/connections/{id}/renew",
		"POST /v1/jobs/{id}/progress", "POST /v1/jobs/{id}/log", "POST /v1/jobs/{id}/complete",
		"POST /v1/jobs/{id}/fail", "POST /v1/reports/{token}",
		// these change nothing
		"POST /v1/sources/{id}/test", "POST /v1/endpoints/{id}/test", "POST /v1/policies/check", "POST /v1/trace/why",
	}
	for _, r := range api.Routes() {
		said := r.Method + " " + r.Path
		changes := r.Method != http.MethodGet && !slices.Contains(unlogged, said)
		if changes != (r.Audit != "") {
			t.Errorf("%s: audited as %q, want an action: %v", said, r.Audit, changes)
		}
	}
}

func TestTheAuditLogIsForAdminsAndHoldsNoSecret(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	for role, status := range map[string]int{"admin": 200, "viewer": 403, "publisher": 403} {
		_, key := w.key(ten, role)
		w.do("GET", "/v1/audit-log", key, nil).want(status)
	}
	s := w.source(ten, "hooks")
	w.do("POST", "/v1/sources/"+s.id+"/secrets", ten.key, `{"secret":"a canary of a secret"}`).want(201)
	w.do("POST", "/v1/sources/"+s.id+"/rotate-url", ten.key, nil).want(200)
	w.keep("a canary of a secret")
	rows, err := w.table.Query(t.Context(), tenants.Range{Tenant: tenants.TenantID(ten.id), Kind: "audit/entries",
		Limit: 100})
	w.must(err)
	if len(rows) < 6 {
		t.Errorf("%d entries, want at least 6", len(rows))
	}
	for _, row := range rows {
		for _, secret := range w.secrets {
			if strings.Contains(string(row.Body), secret) {
				t.Errorf("an entry contains a secret: %s", row.Body)
			}
		}
	}
}

// A change stays in effect if its entry cannot be written; the process's log has the entry instead.
func TestAnEntryThatCannotBeWrittenIsLogged(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	isEntry := func(c tenantstest.Call) bool { return c.Method == "Write" && c.Keys[0].Kind == "audit/entries" }
	w.table.Fail(tenantstest.Lost, isEntry)
	w.do("PATCH", "/v1/tenant", ten.key, `{"name":"Bolt"}`).want(200)
	if got := w.audited(ten.key); len(got) != 2 {
		t.Errorf("after one failure: %q, want 2 entries", got)
	}
	for range 3 {
		w.table.Fail(tenantstest.Lost, isEntry)
	}
	w.do("PATCH", "/v1/tenant", ten.key, `{"name":"Corp"}`).want(200)
	if log := w.logged.String(); !strings.Contains(log, "an audit entry was not written") ||
		!strings.Contains(log, "tenant.update") {
		t.Errorf("the log is %s, want tenant.update as an entry that was not written", log)
	}
}
