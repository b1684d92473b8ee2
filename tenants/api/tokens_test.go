package api_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func (w *world) token(of tenant, body string) answer {
	w.t.Helper()
	return w.do("POST", "/v1/tokens", of.key, body).want(201)
}

func TestATokenReadsItsChannelsAndNoOthers(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	mine, other := w.publish(ten, "mine.1", "1"), w.publish(ten, "other", "1")
	tok := w.token(ten, `{"subject":"alice","channels":["mine.*"],"ttl_seconds":60}`).get("token")
	w.do("GET", "/v1/channels/mine.1/events", tok, nil).want(200)
	w.do("GET", "/v1/channels/mine.1", tok, nil).want(200)
	w.do("GET", "/v1/events/"+mine, tok, nil).want(200)
	w.do("GET", "/v1/channels/other/events", tok, nil).want(403, "forbidden")
	w.do("GET", "/v1/channels/nowhere/events", tok, nil).want(403, "forbidden")
	w.do("GET", "/v1/events/"+other, tok, nil).want(404, "event_not_found")
	w.do("GET", "/v1/channels", tok, nil).want(403, "forbidden")
	w.do("POST", "/v1/channels/mine.1/events", tok, `{"type":"x","data":1}`).want(403, "forbidden")
	for _, r := range []string{"GET /v1/tenant", "GET /v1/keys", "POST /v1/keys", "GET /v1/sources", "POST /v1/tokens",
		"DELETE /v1/channels/mine.1", "GET /v1/limits"} {
		method, path, _ := strings.Cut(r, " ")
		w.do(method, path, tok, "{}").want(403, "api_key_required")
	}
}

func TestAPublishersTokenPublishes(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	tok := w.token(ten, `{"subject":"alice","roles":["publisher"],"channels":["chat.*"],"ttl_seconds":60}`).get("token")
	w.do("POST", "/v1/channels/chat.1/events", tok, `{"type":"x","data":1}`).want(202)
	w.do("POST", "/v1/channels/other/events", tok, `{"type":"x","data":1}`).want(403, "forbidden")
	w.do("GET", "/v1/channels/chat.1/events", tok, nil).want(403, "forbidden")
}

func TestATokenFromAPageOfAnotherOriginIs403(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	event := w.publish(ten, "a", "1")
	tok := w.token(ten,
		`{"subject":"alice","roles":["viewer","publisher"],"channels":["*"],"ttl_seconds":60}`).get("token")
	from := func(credential, origin string) answer {
		return w.do("GET", "/v1/channels/a/events", credential, nil, "Origin", origin)
	}
	from(tok, "https://evil.example").want(200) // without a list all pages are allowed
	w.do("PATCH", "/v1/tenant", ten.key, `{"origins":["https://app.example"]}`).want(200)
	from(tok, "https://evil.example").want(403, "origin_not_allowed")
	from(tok, "null").want(403, "origin_not_allowed")
	w.do("GET", "/v1/events/"+event, tok, nil, "Origin", "https://evil.example").want(403, "origin_not_allowed")
	w.do("POST", "/v1/channels/a/events", tok, `{"type":"x","data":1}`, "Origin", "https://evil.example").want(403,
		"origin_not_allowed")
	from(tok, "https://app.example").want(200)
	w.do("GET", "/v1/channels/a/events", tok, nil).want(200) // not from a page
	from(ten.key, "https://evil.example").want(200)
}

func TestATokenIs401AfterItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ten := w.tenant("Acme")
		a := w.token(ten, `{"subject":"alice","channels":["*"],"ttl_seconds":60}`)
		if expires, err := time.Parse(time.RFC3339, a.get("expires_at")); err != nil ||
			time.Until(expires) > time.Minute {
			t.Errorf("got %s, %v, want expires_at within a minute", a.body, err)
		}
		w.do("GET", "/v1/channels/a/events", a.get("token"), nil).want(200)
		time.Sleep(time.Minute)
		w.do("GET", "/v1/channels/a/events", a.get("token"), nil).want(401, "token_expired")
	})
}

func TestARevokedTokenIs401(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	const spec = `{"subject":"alice","channels":["*"],"ttl_seconds":60}`
	byID, byItself, bySubject := w.token(ten, spec), w.token(ten, spec), w.token(ten, spec)
	w.do("POST", "/v1/tokens/revoke", ten.key, map[string]string{"id": byID.get("id")}).want(204)
	w.do("POST", "/v1/tokens/revoke", ten.key, map[string]string{"token": byItself.get("token")}).want(204)
	for _, a := range []answer{byID, byItself} {
		w.do("GET", "/v1/channels/a/events", a.get("token"), nil).want(401, "token_revoked")
	}
	w.do("GET", "/v1/channels/a/events", bySubject.get("token"), nil).want(200)
	w.do("POST", "/v1/tokens/revoke", ten.key, `{"subject":"alice"}`).want(204)
	w.do("GET", "/v1/channels/a/events", bySubject.get("token"), nil).want(401, "token_revoked")
}

func TestTokensThatCannotBeMintedAre422(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	many := `["` + strings.Repeat(`a","`, 50) + `a"]`
	for body, pointer := range map[string]string{
		`{"channels":["a"],"ttl_seconds":60}`:                                    "/subject",
		`{"subject":"","channels":["a"],"ttl_seconds":60}`:                       "/subject",
		`{"subject":"a\nb","channels":["a"],"ttl_seconds":60}`:                   "/subject",
		`{"subject":"a","channels":[],"ttl_seconds":60}`:                         "/channels",
		`{"subject":"a","channels":"a","ttl_seconds":60}`:                        "/channels",
		`{"subject":"a","channels":["a/../b"],"ttl_seconds":60}`:                 "/channels",
		`{"subject":"a","channels":["A"],"ttl_seconds":60}`:                      "/channels",
		`{"subject":"a","channels":["a*"],"ttl_seconds":60}`:                     "/channels",
		`{"subject":"a","channels":` + many + `,"ttl_seconds":60}`:               "/channels",
		`{"subject":"a","channels":["a"],"ttl_seconds":0}`:                       "/ttl_seconds",
		`{"subject":"a","channels":["a"],"ttl_seconds":86401}`:                   "/ttl_seconds",
		`{"subject":"a","channels":["a"],"ttl_seconds":"60"}`:                    "/ttl_seconds",
		`{"subject":"a","channels":["a"],"ttl_seconds":60,"roles":["owner"]}`:    "/roles",
		`{"subject":"a","channels":["a"],"ttl_seconds":60,"roles":["a,b"]}`:      "/roles",
		`{"subject":"a","channels":["a"],"ttl_seconds":60,"tenant":"ten_other"}`: "/tenant",
	} {
		if a := w.do("POST", "/v1/tokens", ten.key, body).want(422); a.get("errors", 0, "pointer") != pointer {
			t.Errorf("%s: got %s, want errors.0.pointer %v", body, a.body, pointer)
		}
	}
	for _, body := range []string{`{}`, `{"id":"tok_1","subject":"a"}`, `{"subject":""}`, `{"token":"x"}`} {
		w.do("POST", "/v1/tokens/revoke", ten.key, body).want(422, "invalid_revocation")
	}
}

func TestATokenCannotReadAsAnotherTenant(t *testing.T) {
	w := newWorld(t)
	one, other := w.tenant("One"), w.tenant("Other")
	tok := w.token(one, `{"subject":"alice","channels":["*"],"ttl_seconds":60}`)
	w.do("POST", "/v1/tokens/revoke", other.key, map[string]string{"token": tok.get("token")}).want(422,
		"invalid_revocation")
	w.do("POST", "/v1/tokens/revoke", other.key, map[string]string{"id": tok.get("id")}).want(204)
	w.do("GET", "/v1/channels/a/events", tok.get("token"), nil).want(200)
}
