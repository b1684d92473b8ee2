package api_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAKeysSecretIsShownOnce(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	id, secret := w.key(ten, "viewer")
	if !strings.HasPrefix(secret, "hk_live_") {
		t.Errorf("the secret has %d bytes, want it to begin with hk_live_", len(secret))
	}
	list := w.do("GET", "/v1/keys", ten.key, nil).want(200)
	if list.length("data") != 2 || list.get("data", 1, "id") != id || strings.Contains(string(list.body), "secret") {
		t.Errorf("got %s, want 2 elements in data, data.1.id %v, the body without secret", list.body, id)
	}
}

func TestKeysDoWhatTheirRolesGive(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	w.publish(ten, "a", "1")
	for role, may := range map[string]map[string]int{
		"admin": {"GET /v1/keys": 200, "GET /v1/sources": 200, "GET /v1/channels/a": 200,
			"POST /v1/channels/a/events": 202, "DELETE /v1/tenant": 403, "PATCH /v1/tenant": 200,
			"DELETE /v1/channels/a": 204},
		"publisher": {"GET /v1/keys": 403, "GET /v1/sources": 403, "GET /v1/channels/a": 403,
			"POST /v1/channels/a/events": 202, "GET /v1/tenant": 403, "GET /v1/channels": 200, "GET /v1/limits": 403},
		"viewer": {"GET /v1/keys": 403, "POST /v1/tokens": 403, "GET /v1/channels/a": 200,
			"GET /v1/channels/a/events": 200, "POST /v1/channels/a/events": 403, "DELETE /v1/channels/a": 403},
	} {
		_, key := w.key(ten, role)
		for request, status := range may {
			method, path, _ := strings.Cut(request, " ")
			body := `{}`
			if path == "/v1/channels/a/events" {
				body = `{"type":"x","data":1}`
			}
			if a := w.do(method, path, key, body); a.status != status {
				t.Errorf("%s: %s is %d, want %d: %s", role, request, a.status, status, a.body)
			}
		}
	}
}

func TestASignersSecretAuthenticatesNothing(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	a := w.do("POST", "/v1/keys", ten.key, `{"name":"backend","role":"signer"}`).want(201)
	if a.get("kid") == "null" {
		t.Errorf("got %s, want a kid", a.body)
	}
	w.do("GET", "/v1/channels", a.get("secret"), nil).want(401, "api_key_malformed")
}

func TestAnOwnersKeyIsAnOwnersToMakeToRotateAndToDelete(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	_, admin := w.key(ten, "admin")
	owner, _ := w.key(ten, "owner")
	w.do("POST", "/v1/keys", admin, `{"name":"mine","role":"owner"}`).want(403, "forbidden")
	w.do("POST", "/v1/keys/"+owner+"/rotate", admin, nil).want(403, "forbidden")
	w.do("DELETE", "/v1/keys/"+owner, admin, nil).want(403, "forbidden")
	w.do("POST", "/v1/keys", admin, `{"name":"mine","role":"admin"}`).want(201)
	w.do("DELETE", "/v1/keys/"+owner, ten.key, nil).want(204)
}

func TestTheLastOwnersKeyIs409(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	id := w.do("GET", "/v1/keys", ten.key, nil).want(200).get("data", 0, "id")
	w.do("DELETE", "/v1/keys/"+id, ten.key, nil).want(409, "last_owner_key")
}

func TestARotatedKeyWorksForItsOverlapAndIs401After(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ten := w.tenant("Acme")
		id, old := w.key(ten, "viewer")
		a := w.do("POST", "/v1/keys/"+id+"/rotate", ten.key, `{"overlap_seconds":60}`).want(201)
		if a.get("role") != "viewer" || a.get("id") == id {
			t.Errorf("got %s, want role viewer, id other than %v", a.body, id)
		}
		w.do("GET", "/v1/channels", a.get("secret"), nil).want(200)
		w.do("GET", "/v1/channels", old, nil).want(200)
		w.do("POST", "/v1/keys/"+id+"/rotate", ten.key, `{}`).want(409, "key_rotated")
		time.Sleep(time.Minute)
		w.do("GET", "/v1/channels", old, nil).want(401, "invalid_api_key")
		w.do("GET", "/v1/channels", a.get("secret"), nil).want(200)
	})
}

func TestAKeyRotatedWithoutABodyEndsAtOnce(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	id, old := w.key(ten, "viewer")
	w.do("GET", "/v1/channels", old, nil).want(200)
	w.do("POST", "/v1/keys/"+id+"/rotate", ten.key, nil).want(201)
	w.do("GET", "/v1/channels", old, nil).want(401, "invalid_api_key")
}

func TestADeletedKeyIs401(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	id, key := w.key(ten, "viewer")
	w.do("GET", "/v1/channels", key, nil).want(200)
	w.do("DELETE", "/v1/keys/"+id, ten.key, nil).want(204)
	w.do("GET", "/v1/channels", key, nil).want(401, "invalid_api_key")
	w.do("DELETE", "/v1/keys/"+id, ten.key, nil).want(404, "key_not_found")
}

func TestCredentialsThatDoNotHold(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	wrongSum := ten.key[:len(ten.key)-1] + string(rotated(ten.key[len(ten.key)-1]))
	for name, c := range map[string]struct{ header, code string }{
		"none is credential_missing":                   {"", "credential_missing"},
		"basic is credential_malformed":                {"Basic dXNlcjpwYXNz", "credential_malformed"},
		"no scheme is credential_malformed":            {ten.key, "credential_malformed"},
		"nothing after Bearer is credential_malformed": {"Bearer ", "credential_malformed"},
		"two in one header is credential_malformed": {"Bearer " + ten.key + ", Bearer " + ten.key,
			"credential_malformed"},
		"a wrong checksum is api_key_malformed":         {"Bearer " + wrongSum, "api_key_malformed"},
		"a truncated key is api_key_malformed":          {"Bearer " + ten.key[:40], "api_key_malformed"},
		"a key in upper case is a token_malformed":      {"Bearer " + strings.ToUpper(ten.key), "token_malformed"},
		"a key with a letter more is api_key_malformed": {"Bearer " + ten.key + "x", "api_key_malformed"},
		"a megabyte is token_malformed":                 {"Bearer " + strings.Repeat("x", 1<<20), "token_malformed"},
		"alg none is token_algorithm":                   {"Bearer eyJhbGciOiJub25lIn0.e30.", "token_algorithm"},
		"a kid of nobody's is token_unknown_key":        {"Bearer eyJhbGciOiJIUzI1NiIsImtpZCI6Ii4uLy4uL2Rldi9udWxsIn0.e30.AAAA", "token_unknown_key"},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.do("GET", "/v1/channels", "", nil, "Authorization", c.header)
			if c.header == "" {
				a = w.do("GET", "/v1/channels", "", nil)
			}
			if a.status != 401 || a.code() != c.code || a.header.Get("WWW-Authenticate") == "" {
				t.Errorf("%d %s %v, want status 401, code %v, a WWW-Authenticate", a.status, a.body,
					a.header["Www-Authenticate"], c.code)
			}
		})
	}
	before := w.table.Count("Get")
	w.do("GET", "/v1/channels", wrongSum, nil).want(401, "api_key_malformed")
	if w.table.Count("Get") != before {
		t.Error("a key with a wrong checksum cost a read")
	}
}

func rotated(c byte) byte {
	if c == 'a' {
		return 'b'
	}
	return 'a'
}

func TestAnAddressWithAKeyIs400EverywhereAndTheKeyIsNotShown(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	for _, query := range []string{"?key=", "?api_key=", "?token=", "?x=", "?limit=1&access_token="} {
		w.do("GET", "/v1/keys"+query+ten.key, ten.key, nil).want(400, "credential_in_query")
		w.do("GET", "/v1/keys"+query+ten.key, "", nil).want(400, "credential_in_query")
	}
}

func TestTwoAuthorizationHeadersAre401(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	r := request("GET", "/v1/keys", "")
	r.Header["Authorization"] = []string{"Bearer " + ten.key, "Bearer " + ten.key}
	w.send(r, nil).want(401, "credential_malformed")
}
