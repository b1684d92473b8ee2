package api_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// source is a source of the provider GitHub.
type newSource struct{ id, path, secret string }

func (w *world) source(of tenant, channel string) newSource {
	w.t.Helper()
	s := newSource{secret: "the test's own secret"}
	a := w.do("POST", "/v1/sources", of.key, map[string]string{"name": "repo", "provider": "github", "secret": s.secret,
		"channel": channel}).want(201)
	s.id, s.path = a.get("id"), strings.TrimPrefix(a.get("url"), publicURL)
	w.keep(s.secret)
	return s
}

// hook posts a webhook as GitHub does, signed with secret.
func (w *world) hook(path, secret, delivery, body string) answer {
	w.t.Helper()
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return w.do("POST", path, "", body, "X-GitHub-Event", "push", "X-GitHub-Delivery", delivery,
		"X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
}

func TestAWebhookOfASourceComesOutInItsChannel(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	s := w.source(ten, "github.{repository.name}")
	const body = `{"repository": {"name": "Hello World"}}`
	first := w.hook(s.path, s.secret, "d-1", body).want(202)
	w.pump()
	if first.get("channel") != "github.hello-world" {
		t.Errorf("got %s, want channel github.hello-world", first.body)
	}
	again := w.hook(s.path, s.secret, "d-1", body).want(200)
	if again.get("id") != first.get("id") || again.get("duplicate") != "true" {
		t.Errorf("got %s, want id %v, duplicate true", again.body, first.get("id"))
	}
	e := w.do("GET", "/v1/events/"+first.get("id"), ten.key, nil).want(200)
	if e.get("type") != "push" || e.get("source") != s.id || e.get("seq") != "1" ||
		e.get("data", "repository", "name") != "Hello World" {
		t.Errorf(`got %s, want type push, source %v, seq 1, data.repository.name "Hello World"`, e.body, s.id)
	}
	w.hook(s.path, "another secret", "d-2", body).want(401, "signature_mismatch")
}

func TestASourcesSecretIsMadeWhereTheProviderLeavesItToUs(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	a := w.do("POST", "/v1/sources", ten.key, `{"name":"repo","provider":"github","channel":"a"}`).want(201)
	if len(a.get("secret")) < 32 || a.length("secrets") != 1 || a.get("verifies") != "true" ||
		a.get("weak_secret") != "null" {
		t.Errorf("got %s, want a source that verifies, with one secret that is not weak", a.body)
	}
	w.hook(strings.TrimPrefix(a.get("url"), publicURL), a.get("secret"), "d", "{}").want(202)
	shown := w.do("GET", "/v1/sources/"+a.get("id"), ten.key, nil).want(200)
	if shown.get("url") != a.get("url") || strings.Contains(string(shown.body), a.get("secret")) {
		t.Errorf("got %s, want url %v, the body without %v", shown.body, a.get("url"), a.get("secret"))
	}
	list := w.do("GET", "/v1/sources", ten.key, nil).want(200)
	if list.get("data", 0, "id") != a.get("id") || strings.Contains(string(list.body), "/in/") {
		t.Errorf("got %s, want data.0.id %v, the body without /in/", list.body, a.get("id"))
	}
	weak := w.do("POST", "/v1/sources", ten.key,
		`{"name":"repo","provider":"github","channel":"a","secret":"secret7"}`).want(201)
	if weak.get("weak_secret") != "true" {
		t.Errorf("got %s, want weak_secret true", weak.body)
	}
}

func TestSourcesThatCannotWorkAre422(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	for body, pointer := range map[string]string{
		`{"name":"a","provider":"gitlab2","channel":"a"}`:                              "/provider",
		`{"name":"a","provider":"github","channel":"A"}`:                               "/channel",
		`{"name":"a","provider":"github","channel":"a.{"}`:                             "/channel",
		`{"name":"a","provider":"github","channel":"a","fallback":"A"}`:                "/fallback",
		`{"name":"","provider":"github","channel":"a"}`:                                "/name",
		`{"name":"a","provider":"stripe","channel":"a"}`:                               "/secret",
		`{"name":"a","provider":"stripe","channel":"a","secret":"sk_test_0123456789"}`: "/secret",
		`{"name":"a","provider":"none","channel":"a","secret":"something"}`:            "/secret",
		`{"name":"a","provider":"github","channel":"a","custom":{"header":"X-A"}}`:     "/custom",
		`{"name":"a","provider":"hmac","channel":"a","custom":{"algorithm":"md5"}}`:    "/custom",
		`{"name":"a","provider":"hmac","channel":"a","custom":{"colour":"red"}}`:       "/custom/colour",
		`{"name":"a","provider":"github","channel":"a","tolerance_seconds":4000}`:      "/tolerance_seconds",
		`{"name":"a","provider":"github","channel":"a","id":"src_1"}`:                  "/id",
		`{"name":"a","provider":"github","channel":"a","tenant":"ten_1"}`:              "/tenant",
		`{"name":"a","provider":"github"}`:                                             "/channel",
	} {
		a := w.do("POST", "/v1/sources", ten.key, body).want(422)
		if a.get("errors", 0, "pointer") != pointer {
			t.Errorf("%s: %s, want %s", body, a.body, pointer)
		}
	}
}

func TestASourceIsChangedByPatch(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	a := w.do("POST", "/v1/sources", ten.key,
		`{"name":"x","provider":"hmac","channel":"a.{x}","fallback":"b","custom":{"header":"x-sig","prefix":"v="},`+
			`"allow_legacy":true,"tolerance_seconds":60}`).want(201)
	path := "/v1/sources/" + a.get("id")
	if a.get("fallback") != "b" || a.get("custom", "prefix") != "v=" || a.get("allow_legacy") != "true" ||
		a.get("tolerance_seconds") != "60" {
		t.Errorf("got %s, want fallback b, custom.prefix v=, allow_legacy true, tolerance_seconds 60", a.body)
	}
	a = w.do("PATCH", path, ten.key,
		`{"name":"y","channel":"c","fallback":null,"custom":null,"allow_legacy":false,"tolerance_seconds":0}`).want(200)
	if a.get("name") != "y" || a.get("channel") != "c" || a.get("fallback") != "null" || a.get("custom") != "null" ||
		a.get("allow_legacy") != "false" || a.get("tolerance_seconds") != "0" {
		t.Errorf("got %s, want name y, channel c, fallback null, custom null, allow_legacy false, tolerance_seconds 0",
			a.body)
	}
	for _, member := range []string{"id", "url", "provider", "secret", "secrets", "created_at"} {
		w.do("PATCH", path, ten.key, fmt.Sprintf(`{%q:"x"}`, member)).want(422, "invalid_fields")
	}
	w.do("DELETE", path, ten.key, nil).want(204)
	w.do("GET", path, ten.key, nil).want(404, "source_not_found")
	w.do("DELETE", path, ten.key, nil).want(404, "source_not_found")
}

func TestASecretIsRotatedWithoutLosingAWebhook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ten := w.tenant("Acme")
		s := w.source(ten, "a")
		a := w.do("POST", "/v1/sources/"+s.id+"/secrets", ten.key, `{"overlap_seconds":60}`).want(201)
		w.hook(s.path, s.secret, "d-1", "{}").want(202)
		w.hook(s.path, a.get("secret"), "d-2", "{}").want(202)
		time.Sleep(time.Minute)
		w.hook(s.path, s.secret, "d-3", "{}").want(401, "signature_mismatch")
		w.hook(s.path, a.get("secret"), "d-4", "{}").want(202)
		w.do("DELETE", "/v1/sources/"+s.id+"/secrets/"+a.get("id"), ten.key, nil).want(409, "last_secret")
	})
}

func TestASecretThatIsRemovedVerifiesNothing(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	s := w.source(ten, "a")
	w.hook(s.path, s.secret, "d-1", "{}").want(202)
	w.do("POST", "/v1/sources/"+s.id+"/secrets", ten.key, `{"secret":"another of the test's"}`).want(201)
	first := w.do("GET", "/v1/sources/"+s.id, ten.key, nil).want(200).get("secrets", 0, "id")
	w.do("DELETE", "/v1/sources/"+s.id+"/secrets/"+first, ten.key, nil).want(204)
	w.hook(s.path, s.secret, "d-2", "{}").want(401, "signature_mismatch")
	w.hook(s.path, "another of the test's", "d-3", "{}").want(202)
	w.do("DELETE", "/v1/sources/"+s.id+"/secrets/"+first, ten.key, nil).want(404, "secret_not_found")
}

func TestAnOldAddressWorksForItsOverlapAndIs404After(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ten := w.tenant("Acme")
		s := w.source(ten, "a")
		a := w.do("POST", "/v1/sources/"+s.id+"/rotate-url", ten.key, `{"overlap_seconds":60}`).want(200)
		now := strings.TrimPrefix(a.get("url"), publicURL)
		w.hook(s.path, s.secret, "d-1", "{}").want(202)
		w.hook(now, s.secret, "d-2", "{}").want(202)
		time.Sleep(time.Minute)
		w.hook(s.path, s.secret, "d-3", "{}").want(404, "source_not_found")
		if w.do("POST", "/v1/sources/"+s.id+"/rotate-url", ten.key, nil).want(200).get("url") == a.get("url") {
			t.Error("the address stayed")
		}
		w.hook(now, s.secret, "d-4", "{}").want(404, "source_not_found")
	})
}

func TestMoreSourcesThanTheLimitAre429(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	w.do("PATCH", "/v1/tenants/"+ten.id, w.operator, `{"limits":{"sources":1}}`).want(200)
	w.source(ten, "a")
	w.do("POST", "/v1/sources", ten.key, `{"name":"repo","provider":"github","channel":"a"}`).want(429, "source_limit")
}

func TestProvidersAreListedWithTheirRules(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	a := w.do("GET", "/v1/providers", ten.key, nil).want(200)
	byName := make(map[string]int)
	for i := range a.length("data") {
		byName[a.get("data", i, "name")] = i
	}
	for _, name := range []string{"github", "stripe", "shopify", "slack", "standard-webhooks", "svix", "hmac", "none"} {
		if _, ok := byName[name]; !ok {
			t.Errorf("there is no provider %s, want one", name)
		}
	}
	github, none, slack := byName["github"], byName["none"], byName["slack"]
	if a.get("data", github, "signature") !=
		`{"algorithm":"hmac-sha256","encoding":"hex","header":"X-Hub-Signature-256","prefix":"sha256="}` {
		t.Errorf("github is %s, want its signature in X-Hub-Signature-256", a.get("data", github))
	}
	if a.get("data", none, "verifies") != "false" || a.get("data", none, "secret") != "null" ||
		!strings.Contains(a.get("data", slack, "handshakes"), `"equals":"url_verification"`) {
		t.Errorf("none is %s, want no secret; slack is %s, want the handshake url_verification", a.get("data", none),
			a.get("data", slack))
	}
}

func TestARecordedRequestIsCheckedAndNotTaken(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	s := w.source(ten, "a")
	mac := hmac.New(sha256.New, []byte(s.secret))
	mac.Write([]byte("{}\r\n"))
	good := hex.EncodeToString(mac.Sum(nil))
	path := "/v1/sources/" + s.id + "/test"
	a := w.do("POST", path, ten.key, `{"headers":{"x-hub-signature-256":"sha256=`+good+
		`","X-GitHub-Event":["push"],"X-GitHub-Delivery":"d"},"body":"{}\r\n"}`).want(200)
	if a.get("verified") != "true" || a.get("event_type") != "push" || a.get("delivery_id") != "d" ||
		!strings.HasPrefix(a.get("secret_id"), "sec_") {
		t.Errorf("got %s, want verified true, event_type push, delivery_id d, secret_id beginning with sec_", a.body)
	}
	w.do("POST", path, ten.key, `{"headers":{"X-Hub-Signature-256":"sha256=`+
		good+`"},"body_base64":"e30NCg=="}`).want(200)
	for body, code := range map[string]string{
		`{"headers":{}}`: "signature_missing",
		`{"headers":{"X-Hub-Signature-256":"sha256=` + good + `"},"body":"{}"}`: "signature_mismatch",
		`{"headers":{"X-Hub-Signature-256":["sha256=` + good + `","x"]}}`:       "signature_duplicate",
	} {
		if a := w.do("POST", path, ten.key, body).want(200); a.get("verified") != "false" || a.code() != code ||
			strings.Contains(string(a.body), good) {
			t.Errorf("%s: got %s, want verified false, code %v, the body without %v", body, a.body, code, good)
		}
	}
	for _, body := range []string{`{}`, `{"headers":[]}`, `{"headers":{"a":1}}`, `{"headers":{},"body":1}`,
		`{"headers":{},"body":null}`, `{"headers":{},"body":"","body_base64":""}`, `{"headers":{},"body_base64":"?"}`} {
		w.do("POST", path, ten.key, body).want(422, "invalid_fields")
	}
	w.pump()
	if n := w.do("GET", "/v1/channels/a/events", ten.key, nil).want(200).length("data"); n != 0 {
		t.Errorf("%d events, want 0", n)
	}
}
