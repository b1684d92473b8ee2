package api_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

const sourceBody = `{"name":"repo","provider":"github","channel":"a"}`

func TestARequestSentAgainUnderItsKeyGetsItsAnswerWithoutSecrets(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	w.source(ten, "a")
	id := w.do("GET", "/v1/sources", ten.key, nil).want(200).get("data", 0, "id")
	owned, _ := w.key(ten, "viewer")
	for path, c := range map[string]struct{ credential, body, shownOnce string }{
		"/v1/tenants":                       {w.operator, `{"name":"New","email":"ops@example.com"}`, "api_key.secret"},
		"/v1/keys":                          {ten.key, `{"name":"ci","role":"viewer"}`, "secret"},
		"/v1/keys/" + owned + "/rotate":     {ten.key, `{}`, "secret"},
		"/v1/sources":                       {ten.key, sourceBody, "secret"},
		"/v1/sources/" + id + "/secrets":    {ten.key, `{}`, "secret"},
		"/v1/sources/" + id + "/rotate-url": {ten.key, `{}`, "url"},
		"/v1/tokens":                        {ten.key, `{"subject":"a","channels":["a"],"ttl_seconds":60}`, "token"},
		"/v1/channels/a/events":             {ten.key, `{"type":"x","data":1}`, ""},
	} {
		first := w.do("POST", path, c.credential, c.body, "Idempotency-Key", "once")
		again := w.do("POST", path, c.credential, c.body, "Idempotency-Key", "once").want(first.status)
		if first.status >= 300 || first.header.Get("Idempotent-Replayed") != "" ||
			again.header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("%s: %d %v, then %v; want Idempotent-Replayed in the second answer alone", path, first.status,
				first.header, again.header)
		}
		if got, want := again.body, without(t, first.body, c.shownOnce); string(without(t, got, "")) != string(want) {
			t.Errorf("%s: replayed %s, want %s", path, got, want)
		}
	}
	if n := w.do("GET", "/v1/sources", ten.key, nil).want(200).length("data"); n != 2 {
		t.Errorf("%d sources, want 2", n)
	}
}

// without returns body without one member, its members sorted by name.
func without(t *testing.T, body []byte, member string) []byte {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatal(err)
	}
	m := v
	if outer, inner, nested := strings.Cut(member, "."); nested {
		m, _ = v[outer].(map[string]any)
		member = inner
	}
	if member != "" && m[member] == nil {
		t.Errorf("the first answer is %s, want the member %s", body, member)
	}
	delete(m, member)
	if member == "secret" || member == "" {
		delete(m, "url") // of a source, whose URL contains a secret
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestNoSecretIsStoredUnderAnIdempotencyKey(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	a := w.do("POST", "/v1/sources", ten.key, sourceBody, "Idempotency-Key", "once").want(201)
	row, err := w.table.Get(t.Context(), tenants.Key{Tenant: tenants.TenantID(ten.id), Kind: "idem",
		Sort: tenants.DerivedID("", "POST", "/v1/sources", "", "once")})
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{a.get("secret"), strings.TrimPrefix(a.get("url"), publicURL+"/in/")} {
		if strings.Contains(string(row.Body), secret) {
			t.Error("a secret is stored")
		}
	}
	if left := time.Until(row.Expires); left < 24*time.Hour {
		t.Errorf("an answer is kept for %v, want at least 24 hours", left)
	}
}

func TestAKeyWithAnotherBodyIs422AndWithAnotherPathOrTenantIsAnother(t *testing.T) {
	w := newWorld(t)
	ten, other := w.tenant("Acme"), w.tenant("Other")
	w.do("POST", "/v1/sources", ten.key, sourceBody, "Idempotency-Key", "k").want(201)
	w.do("POST", "/v1/sources", ten.key, sourceBody+" ", "Idempotency-Key", "k").want(422, "idempotency_key_reused")
	w.do("POST", "/v1/keys", ten.key, `{"name":"ci","role":"viewer"}`, "Idempotency-Key", "k").want(201)
	a := w.do("POST", "/v1/sources", other.key, sourceBody, "Idempotency-Key", "k").want(201)
	if a.header.Get("Idempotent-Replayed") != "" {
		t.Error("one tenant got another's answer")
	}
}

func TestAKeyWhoseRequestIsInFlightIs409AndComesFreeWhenItsProcessDied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ten := w.tenant("Acme")
		ice := w.table.Freeze(tenantstest.BeforeActing, func(c tenantstest.Call) bool {
			return c.Method == "Write" && c.Keys[0].Kind == "list/sources"
		})
		first := make(chan answer, 1)
		go func() { first <- w.do("POST", "/v1/sources", ten.key, sourceBody, "Idempotency-Key", "k") }()
		<-ice.Reached()
		w.do("POST", "/v1/sources", ten.key, sourceBody, "Idempotency-Key", "k").want(409, "idempotency_key_in_flight")
		time.Sleep(time.Minute)
		w.do("POST", "/v1/sources", ten.key, sourceBody, "Idempotency-Key", "k").want(201)
		ice.Thaw()
		<-first
		a := w.do("POST", "/v1/sources", ten.key, sourceBody, "Idempotency-Key", "k").want(201)
		if a.header.Get("Idempotent-Replayed") != "true" {
			t.Error("not replayed")
		}
	})
}

func TestARefusedRequestIsNotRemembered(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	w.do("POST", "/v1/sources", ten.key, `{"name":"","provider":"github","channel":"a"}`, "Idempotency-Key",
		"k").want(422)
	w.do("POST", "/v1/sources", ten.key, sourceBody, "Idempotency-Key", "k").want(201)
}

func TestAKeyIsForgottenAfterADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ten := w.tenant("Acme")
		w.do("POST", "/v1/sources", ten.key, sourceBody, "Idempotency-Key", "k").want(201)
		time.Sleep(24 * time.Hour)
		w.do("POST", "/v1/sources", ten.key, sourceBody, "Idempotency-Key", "k").want(201)
		if n := w.do("GET", "/v1/sources", ten.key, nil).want(200).length("data"); n != 1 {
			t.Errorf("%d sources after a day, want 1", n)
		}
		time.Sleep(2 * time.Minute)
		w.do("POST", "/v1/sources", ten.key, sourceBody, "Idempotency-Key", "k").want(201)
		if n := w.do("GET", "/v1/sources", ten.key, nil).want(200).length("data"); n != 2 {
			t.Errorf("%d sources, want 2", n)
		}
	})
}

func TestKeysThatAreNoneAre400(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	for _, key := range []string{"", strings.Repeat("k", 256), strings.Repeat("k", 1<<20), "k\x01", "ké"} {
		w.do("POST", "/v1/sources", ten.key, sourceBody, "Idempotency-Key", key).want(400, "invalid_idempotency_key")
	}
	r := request("POST", "/v1/sources", sourceBody)
	r.Header = map[string][]string{"Authorization": {"Bearer " + ten.key}, "Content-Type": {"application/json"},
		"Idempotency-Key": {"a", "a"}}
	w.send(r, []byte(sourceBody)).want(400, "invalid_idempotency_key")
	w.do("POST", "/v1/sources", ten.key, sourceBody, "Idempotency-Key", strings.Repeat("k", 255)).want(201)
}

func TestAFailedWriteIs503AndTheKeyIsFree(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	w.table.Fail(tenantstest.Lost, func(c tenantstest.Call) bool {
		return c.Method == "Write" && c.Keys[0].Kind == "list/sources"
	})
	a := w.do("POST", "/v1/sources", ten.key, sourceBody, "Idempotency-Key", "k").want(503)
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	w.do("POST", "/v1/sources", ten.key, sourceBody, "Idempotency-Key", "k").want(201)
	if !strings.Contains(w.logged.String(), "request failed temporarily") {
		t.Error("nothing was logged")
	}
}
