package api_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Handshakes of providers over HTTP: handler, receiver and scheme.

func (w *world) nothingTaken(of tenant) {
	w.t.Helper()
	w.pump()
	if n := w.do("GET", "/v1/channels", of.key, nil).want(200).length("data"); n != 0 {
		w.t.Errorf("a handshake made %d channels, want 0", n)
	}
}

func TestMetaGetsItsChallengeForTheSourcesVerifyToken(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	w.keep(hookSecret)
	made := w.do("POST", "/v1/sources", ten.key,
		fmt.Sprintf(`{"name":"hooks","provider":"meta","secret":%q,"channel":"hooks"}`, hookSecret)).want(201)
	path, token := strings.TrimPrefix(made.get("url"), publicURL), made.get("verify_token")
	if len(token) != 26 || strings.Contains(path, token) {
		t.Fatalf("got %s, want a verify_token of 26 characters that is not in the URL", made.body)
	}
	if again := w.do("GET", "/v1/sources/"+made.get("id"), ten.key, nil).want(200); again.get("verify_token") != token {
		t.Errorf("got %s, want verify_token %v", again.body, token)
	}
	if list := w.do("GET", "/v1/sources", ten.key, nil).want(200); strings.Contains(string(list.body), token) {
		t.Errorf("got %s, want the body without %v", list.body, token)
	}
	ask := func(token, challenge string) answer {
		return w.do("GET", path+"?hub.mode=subscribe&hub.verify_token="+url.QueryEscape(token)+"&hub.challenge="+
			url.QueryEscape(challenge), "", nil)
	}
	a := ask(token, "1158201444").want(200)
	if string(a.body) != "1158201444" || a.header.Get("Content-Type") != "text/plain; charset=utf-8" ||
		a.header.Get("X-Content-Type-Options") != "nosniff" ||
		!strings.Contains(a.header.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf(
			`%v %s, want the body 1158201444, Content-Type "text/plain; charset=utf-8", X-Content-Type-Options `+
				`nosniff, Content-Security-Policy containing sandbox`, a.header, a.body)
	}
	ask(token+"x", "1").want(403, "verify_token_mismatch")
	ask("", "1").want(403, "verify_token_mismatch")
	ask(token, "a\r\nSet-Cookie: b").want(400, "challenge_malformed")
	ask(token, strings.Repeat("x", 513)).want(400, "challenge_malformed")
	w.do("GET", path, "", nil).want(400, "challenge_missing")
	w.nothingTaken(ten)
}

func TestGETIsForSourcesWhoseProviderAsksByIt(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	for provider, allow := range map[string]string{"github": "POST", "slack": "POST", "zoom": "POST",
		"woocommerce": "POST", "intercom": "POST, HEAD"} {
		a := w.do("GET", w.sourceOf(ten, provider, "")+"?challenge=a&crc_token=b&hub.challenge=c&validationToken=d", "",
			nil).want(405, "method_not_allowed")
		if a.header.Get("Allow") != allow {
			t.Errorf("%s: Allow %q, want Allow %v", provider, a.header.Get("Allow"), allow)
		}
	}
	dropbox := w.sourceOf(ten, "dropbox", "")
	if a := w.do("GET", dropbox+"?challenge=abc", "", nil).want(200); string(a.body) != "abc" {
		t.Errorf("got %s, want the body abc", a.body)
	}
	for _, method := range []string{"PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"} {
		if a := w.do(method, dropbox+"?challenge=abc", "", nil); a.status != 405 ||
			a.header.Get("Allow") != "POST, GET" {
			t.Errorf(`%s: %d, Allow %q, want status 405, Allow "POST, GET"`, method, a.status, a.header.Get("Allow"))
		}
	}
	w.do("GET", "/in/nothing?challenge=abc", "", nil).want(404, "source_not_found")
	w.nothingTaken(ten)
}

func TestXGetsItsTokenBackUnderTheSecret(t *testing.T) {
	w := newWorld(t)
	path := w.sourceOf(w.tenant("Acme"), "twitter", "")
	a := w.do("GET", path+"?crc_token=9b4507b3-9040-4669", "", nil).want(200)
	mac := hmac.New(sha256.New, []byte(hookSecret))
	mac.Write([]byte("9b4507b3-9040-4669"))
	want := `{"response_token":"sha256=` + base64.StdEncoding.EncodeToString(mac.Sum(nil)) + `"}`
	if string(a.body) != want || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("%s, want %s", a.body, want)
	}
	w.do("GET", path+"?crc_token="+url.QueryEscape(`{"for_user_id":"1"}`), "", nil).want(400, "challenge_malformed")
}

// Unsigned challenges are answered only a few times a second, so that they are of little use as an oracle.
func TestHandshakesHaveARateOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ten := w.tenant("Acme")
		path, other := w.sourceOf(ten, "twitter", ""), w.sourceOf(ten, "dropbox", "")
		for range 5 {
			w.do("GET", path+"?crc_token=a", "", nil).want(200)
		}
		a := w.do("GET", path+"?crc_token=a", "", nil).want(429, "handshake_rate")
		if a.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		w.do("GET", other+"?challenge=a", "", nil).want(200)
		time.Sleep(time.Second)
		w.do("GET", path+"?crc_token=a", "", nil).want(200)
	})
}

func TestGraphsQuestionComesByPOSTAndIsNoWebhook(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	path := w.sourceOf(ten, "microsoft-graph", "")
	a := w.do("POST", path+"?validationToken="+url.QueryEscape("Validation: Testing <b>, Request-Id: 1"), "",
		"").want(200)
	if string(a.body) != "Validation: Testing <b>, Request-Id: 1" ||
		!strings.HasPrefix(a.header.Get("Content-Type"), "text/plain") {
		t.Errorf(
			`%v %s, want the body "Validation: Testing <b>, Request-Id: 1", Content-Type beginning with text/plain`,
			a.header, a.body)
	}
	w.nothingTaken(ten)
	w.do("POST", path, "", fmt.Sprintf(`{"value":[{"clientState":%q,"changeType":"created"}]}`, hookSecret)).want(202)
	w.do("POST", path, "", `{"value":[{"clientState":"x","changeType":"created"}]}`).want(401, "signature_mismatch")
}

func TestWooCommercesPingIsAnsweredAndItsWebhooksAreVerified(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	path := w.sourceOf(ten, "woocommerce", "")
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	if a := w.do("POST", path, "", "webhook_id=42", form...).want(200); len(a.body) > 0 {
		t.Errorf("got %s, want no body", a.body)
	}
	w.nothingTaken(ten)
	w.do("POST", path, "", "webhook_id=42", append(form, "X-WC-Webhook-Signature", "AAAA")...).want(401,
		"signature_malformed")
	w.do("POST", path, "", "webhook_id=<b>", form...).want(400, "challenge_malformed")
	w.do("POST", path, "", `{"id":1}`).want(401, "signature_missing")
}

func TestZoomGetsItsTokenBackWhereItsQuestionIsSigned(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	path := w.sourceOf(ten, "zoom", "")
	const body = `{"event":"endpoint.url_validation","payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"}}`
	stamp := fmt.Sprint(time.Now().Unix())
	w.do("POST", path, "", body).want(401, "signature_missing")
	w.do("POST", path, "", body, "x-zm-request-timestamp", stamp, "x-zm-signature",
		"v0="+strings.Repeat("0", 64)).want(401, "signature_mismatch")
	a := w.do("POST", path, "", body, "x-zm-request-timestamp", stamp, "x-zm-signature",
		"v0="+signed("v0:"+stamp+":"+body)).want(200)
	var got map[string]string
	if err := json.Unmarshal(a.body, &got); err != nil || got["plainToken"] != "qgg8vlvZRS6UYooatFL8Aw" ||
		got["encryptedToken"] != signed("qgg8vlvZRS6UYooatFL8Aw") {
		t.Errorf("got %s, %v, want the plain token and its signature", a.body, err)
	}
	w.nothingTaken(ten)
}

// Row 34. A signature covers the public URL with the token of the request and its query, before and after the source's
// URL is rotated. Host and forwarding headers do not matter.
func TestAttack34AddressesThatAreSignedAreTheConfiguredOnes(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	w.keep(hookSecret)
	made := w.do("POST", "/v1/sources", ten.key,
		fmt.Sprintf(`{"name":"hooks","provider":"square","secret":%q,"channel":"hooks"}`, hookSecret)).want(201)
	square := func(address, body string) string {
		raw, err := hex.DecodeString(signed(address + body))
		w.must(err)
		return base64.StdEncoding.EncodeToString(raw)
	}
	old := made.get("url")
	rotated := w.do("POST", "/v1/sources/"+made.get("id")+"/rotate-url",
		ten.key, `{"overlap_seconds":3600}`).want(200).get("url")
	for n, c := range []struct {
		path, signed string
		status       int
	}{
		{old, old, 202}, {rotated, rotated, 202}, {rotated + "?a=%2Fb&c", rotated + "?a=%2Fb&c", 202},
		{old, rotated, 401}, {rotated, old, 401}, {old + "?a=b", old, 401}, {old, old + "?a=b", 401},
		{old, "https://evil.example" + strings.TrimPrefix(old, publicURL), 401},
		{old, "http://" + strings.TrimPrefix(old, "https://"), 401},
	} {
		body := fmt.Sprintf(`{"event_id":"%d"}`, n)
		a := w.do("POST", strings.TrimPrefix(c.path, publicURL), "", body, "X-Square-HmacSha256-Signature",
			square(c.signed, body),
			"X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "http", "Forwarded",
			"host=evil.example;proto=http")
		if a.status != c.status {
			t.Errorf("%d: %d %s, want status %v", n, a.status, a.body, c.status)
		}
	}
}

func TestTheTestCallSaysWhichStepFailed(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	w.keep(hookSecret)
	made := w.do("POST", "/v1/sources", ten.key,
		fmt.Sprintf(`{"name":"hooks","provider":"stripe","secret":%q,"channel":"hooks"}`, hookSecret)).want(201)
	at := func(ago int64, body string) string {
		stamp := fmt.Sprint(time.Now().Unix() - ago)
		return "t=" + stamp + ",v1=" + signed(stamp+"."+body)
	}
	for name, c := range map[string]struct{ header, body, step, code, hint string }{
		"right":             {at(0, "{}"), "{}", "", "", ""},
		"no header":         {"", "{}", "header", "signature_missing", ""},
		"no signature":      {"t=1", "{}", "format", "signature_malformed", ""},
		"no time":           {"v1=" + signed("{}"), "{}", "timestamp", "timestamp_missing", ""},
		"an hour old":       {at(3600, "{}"), "{}", "timestamp", "timestamp_out_of_tolerance", "only the timestamp"},
		"of other bytes":    {at(0, "{}"), "[]", "signature", "signature_mismatch", ""},
		"a newline more":    {at(0, "{}"), "{}\n", "signature", "signature_mismatch", "ends in a line break"},
		"an old one, dirty": {at(3600, "{}"), "{}\n", "signature", "signature_mismatch", "ends in a line break"},
	} {
		headers := map[string]string{}
		if c.header != "" {
			headers["Stripe-Signature"] = c.header
		}
		a := w.do("POST", "/v1/sources/"+made.get("id")+"/test", ten.key,
			map[string]any{"headers": headers, "body": c.body}).want(200)
		var got struct {
			Verified   bool
			Step, Code string
			Skew       *int64 `json:"skew_seconds"`
			Hints      []string
		}
		if err := json.Unmarshal(a.body, &got); err != nil || got.Verified != (c.step == "") || got.Step != c.step ||
			got.Code != c.code {
			t.Errorf("%s: got %s, want step %q, code %q", name, a.body, c.step, c.code)
		}
		if hints := strings.Join(got.Hints, ";"); (c.hint == "") != (hints == "") || !strings.Contains(hints, c.hint) {
			t.Errorf("%s: hints %q, want %q", name, hints, c.hint)
		}
		if (got.Skew != nil) != (c.code == "timestamp_out_of_tolerance") ||
			got.Skew != nil && (*got.Skew < 3590 || *got.Skew > 3700) {
			t.Errorf("%s: got %s, want a skew of an hour if the timestamp is out of tolerance", name, a.body)
		}
	}
	square := w.do("POST", "/v1/sources", ten.key,
		fmt.Sprintf(`{"name":"hooks","provider":"square","secret":%q,"channel":"hooks"}`, hookSecret)).want(201)
	raw, err := hex.DecodeString(signed(square.get("url") + "?a=b{}"))
	w.must(err)
	headers := map[string]string{"X-Square-HmacSha256-Signature": base64.StdEncoding.EncodeToString(raw)}
	request := map[string]any{"headers": headers, "body": "{}", "query": "a=b"}
	a := w.do("POST", "/v1/sources/"+square.get("id")+"/test", ten.key, request).want(200)
	if a.get("verified") != "true" {
		t.Errorf("with the query: %s, want verified true", a.body)
	}
	delete(request, "query")
	a = w.do("POST", "/v1/sources/"+square.get("id")+"/test", ten.key, request).want(200)
	if a.get("verified") != "false" {
		t.Errorf("without the query: %s, want verified false", a.body)
	}
	request["method"] = "PUT"
	w.do("POST", "/v1/sources/"+square.get("id")+"/test", ten.key, request).want(422, "invalid_fields")
}

func TestAProviderIsShownByItsName(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	list := w.do("GET", "/v1/providers", ten.key, nil).want(200)
	for i := range list.length("data") {
		one := w.do("GET", "/v1/providers/"+list.get("data", i, "name"), ten.key, nil).want(200)
		if string(one.body) != list.get("data", i) && one.get("title") != list.get("data", i, "title") {
			t.Errorf("got %s, want %s", one.body, list.get("data", i))
		}
	}
	if list.length("data") < 33 {
		t.Errorf("%d providers, want at least 33", list.length("data"))
	}
	w.do("GET", "/v1/providers/none-of-them", ten.key, nil).want(404, "provider_not_found")
}

func TestSecretsThatCannotBeOnesAre422WithTheReason(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	for _, c := range []struct{ provider, secret, reason string }{
		{"stripe", "", "empty"}, {"stripe", "   ", "white space"}, {"stripe", "whsec_1234567890\n", "white space"},
		{"stripe", "sk_live_1234567890", "another credential"},
		{"slack", "v0=1234567890", "begins a signature"}, {"discord", "1234", "too short"},
		{"discord", strings.Repeat("g", 64), "hex"},
		{"svix", "whsec_YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXoxMjM0NTY", "padding"},
		{"svix", "v1,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "begins a signature"},
		{"sendgrid", "SG.abc", "another credential"}, {"paypal", "WH-2WR32451HC0233532", "another credential"},
		{"twilio", "12345", "too short"}, {"adyen", "xyz-xyz-xyz-xyz-xyz", "hex"},
	} {
		a := w.do("POST", "/v1/sources", ten.key,
			map[string]string{"name": "x", "provider": c.provider, "secret": c.secret, "channel": "a"})
		if a.status != 422 || a.code() != "invalid_secret" || !strings.Contains(string(a.body), c.reason) ||
			len(c.secret) > 8 && strings.Contains(string(a.body), strings.TrimSpace(c.secret)) &&
				strings.TrimSpace(c.secret) != "" {
			t.Errorf("%s %q: got %d %s, want 422 invalid_secret with %q, without the secret", c.provider, c.secret,
				a.status, a.body, c.reason)
		}
	}
}
