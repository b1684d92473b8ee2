package api_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// The complete way of a webhook as a provider sees it: handler, receiver, source and queue.

const hookSecret = "the provider's own secret"

func signed(message string) string {
	mac := hmac.New(sha256.New, []byte(hookSecret))
	mac.Write([]byte(message))
	return hex.EncodeToString(mac.Sum(nil))
}

func (w *world) sourceOf(of tenant, provider, more string) (path string) {
	w.t.Helper()
	w.keep(hookSecret)
	secret := fmt.Sprintf(`"secret":%q,`, hookSecret)
	if provider == "none" {
		secret = ""
	}
	a := w.do("POST", "/v1/sources", of.key, `{"name":"hooks","provider":"`+provider+`",`+secret+
		more+`"channel":"hooks"}`).want(201)
	return strings.TrimPrefix(a.get("url"), publicURL)
}

func TestGitHubSignatures(t *testing.T) {
	w := newWorld(t)
	path := w.sourceOf(w.tenant("Acme"), "github", "")
	const body = `{"zen":"Design for failure."}`
	good := "sha256=" + signed(body)
	for name, c := range map[string]struct {
		signature []string
		body      string
		status    int
		code      string
	}{
		"right is 202": {[]string{good}, body, 202, ""},
		"in upper-case hex is 200 for the same bytes": {[]string{"sha256=" + strings.ToUpper(good[7:])}, body, 202, ""},
		"missing is signature_missing":                {nil, body, 401, "signature_missing"},
		"empty is signature_missing":                  {[]string{""}, body, 401, "signature_missing"},
		"prefix alone is signature_malformed":         {[]string{"sha256="}, body, 401, "signature_malformed"},
		"truncated is signature_malformed":            {[]string{good[:len(good)-1]}, body, 401, "signature_malformed"},
		"with a space is signature_malformed":         {[]string{good + " x"}, body, 401, "signature_malformed"},
		"of another algorithm is signature_malformed": {[]string{"md5=" + good[7:]}, body, 401, "signature_malformed"},
		"twice is signature_duplicate":                {[]string{good, good}, body, 401, "signature_duplicate"},
		"of other bytes is signature_mismatch":        {[]string{good}, body + "\n", 401, "signature_mismatch"},
		"10 KB long is signature_malformed": {[]string{"sha256=" + strings.Repeat("0", 10_000)}, body,
			401, "signature_malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			r := request("POST", path, c.body)
			r.Header["X-Hub-Signature-256"] = c.signature
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("X-GitHub-Delivery", name)
			a := w.send(r, []byte(c.body))
			if a.status != c.status || c.code != "" && a.code() != c.code {
				t.Errorf("got %d %s, want %d %s", a.status, a.body, c.status, c.code)
			}
			if a.status == 401 && strings.Contains(string(a.body), good[7:]) {
				t.Error("the answer shows the expected signature")
			}
		})
	}
	legacy := request("POST", path, body)
	legacy.Header.Set("X-Hub-Signature", "sha1="+strings.Repeat("0", 40))
	w.send(legacy, []byte(body)).want(401, "legacy_signature")
}

func TestStripeTimestamps(t *testing.T) {
	w := newWorld(t)
	path := w.sourceOf(w.tenant("Acme"), "stripe", "")
	const body = `{"id":"evt_1","type":"charge.succeeded"}`
	at := func(stamp string) string { return "t=" + stamp + ",v1=" + signed(stamp+"."+body) }
	now := time.Now().Unix()
	for name, c := range map[string]struct{ header, code string }{
		"now is 202": {at(fmt.Sprint(now)), ""},
		"ten minutes old is timestamp_out_of_tolerance": {at(fmt.Sprint(now - 600)),
			"timestamp_out_of_tolerance"},
		"ten minutes ahead is timestamp_out_of_tolerance": {at(fmt.Sprint(now + 600)),
			"timestamp_out_of_tolerance"},
		"in milliseconds is timestamp_malformed":              {at(fmt.Sprint(now * 1000)), "timestamp_malformed"},
		"NaN is timestamp_malformed":                          {at("NaN"), "timestamp_malformed"},
		"negative is timestamp_malformed":                     {at("-1"), "timestamp_malformed"},
		"twice is signature_duplicate":                        {"t=1," + at(fmt.Sprint(now)), "signature_duplicate"},
		"missing is timestamp_missing":                        {"v1=" + signed("."+body), "timestamp_missing"},
		"with an unknown version only is signature_malformed": {"t=1,v0=" + signed("1."+body), "signature_malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.do("POST", path, "", body, "Stripe-Signature", c.header)
			if c.code == "" {
				a.want(202)
				return
			}
			a.want(401, c.code)
		})
	}
}

func TestSlacksHandshakeIsAnsweredOnlyWhereItIsSigned(t *testing.T) {
	w := newWorld(t)
	path := w.sourceOf(w.tenant("Acme"), "slack", "")
	const body = `{"type":"url_verification","challenge":"c-1"}`
	stamp := fmt.Sprint(time.Now().Unix())
	a := w.do("POST", path, "", body, "X-Slack-Request-Timestamp", stamp, "X-Slack-Signature",
		"v0="+signed("v0:"+stamp+":"+body)).want(200)
	if string(a.body) != "c-1" || !strings.HasPrefix(a.header.Get("Content-Type"), "text/plain") {
		t.Errorf("%v %s, want the body c-1, Content-Type beginning with text/plain", a.header, a.body)
	}
	w.do("POST", path, "", body).want(401, "signature_missing")
}

func TestASourceThatVerifiesNothingTakesBytesAsTheyAre(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	path := w.sourceOf(ten, "none", "")
	deep := strings.Repeat("[", 5_000) + strings.Repeat("]", 5_000)
	for _, body := range []string{"\xff\xfe", "plain", "", deep, `{"a":1,"a":2}`} {
		w.do("POST", path, "", body).want(202)
	}
	w.pump()
	a := w.do("GET", "/v1/channels/hooks/events", ten.key, nil).want(200)
	if a.length("data") != 5 || a.get("data", 0, "data") != "//4=" || a.get("data", 0, "encoding") != "base64" ||
		a.get("data", 1, "data") != "plain" || a.get("data", 0, "type") != "webhook" {
		t.Errorf("%.500s, want 5 elements in data, data.0.data //4=, data.0.encoding base64, data.1.data plain, "+
			"data.0.type webhook", a.body)
	}
}

func TestAWebhookThatNamesNoChannelIs422OrGoesToTheFallback(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	strict := w.do("POST", "/v1/sources", ten.key,
		`{"name":"x","provider":"none","channel":"a.{repository.name}"}`).want(201)
	lax := w.do("POST", "/v1/sources", ten.key,
		`{"name":"x","provider":"none","channel":"a.{repository.name}","fallback":"b"}`).want(201)
	w.do("POST", strings.TrimPrefix(strict.get("url"), publicURL), "", `{}`).want(422, "channel_field_missing")
	if a := w.do("POST", strings.TrimPrefix(lax.get("url"), publicURL), "", `{}`).want(202); a.get("channel") != "b" {
		t.Errorf("got %s, want channel b", a.body)
	}
}

func TestWhereNobodyListensOrMayListen(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	path := w.sourceOf(ten, "none", "")
	w.do("POST", "/in/nothing", "", "{}").want(404, "source_not_found")
	w.do("POST", altered(path), "", "{}").want(404, "source_not_found")
	w.do("GET", path, "", nil).want(405, "method_not_allowed")
	if a := w.do("HEAD", path, "", nil); a.status != 405 || a.header.Get("Allow") != "POST" {
		t.Errorf("HEAD: %d, Allow %q, want status 405, Allow POST", a.status, a.header.Get("Allow"))
	}
	if a := w.do("HEAD", w.sourceOf(ten, "intercom", ""), "", nil); a.status != 200 || len(a.body) > 0 {
		t.Errorf("HEAD of a provider that probes: %d %s, want 200 without a body", a.status, a.body)
	}
	w.do("POST", "/v1/tenants/"+ten.id+"/suspend", w.operator, nil).want(200)
	w.do("POST", path, "", "{}").want(403, "tenant_suspended")
	w.do("DELETE", "/v1/tenants/"+ten.id, w.operator, nil).want(204)
	w.do("POST", path, "", "{}").want(404, "source_not_found")
}

func TestAWebhookThatCannotBeStoredIs503AndTakenWhenItIsSentAgain(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	path := w.sourceOf(ten, "github", "")
	w.queue.Fail(tenantstest.Lost, func(c tenantstest.Call) bool { return c.Method == "Send" })
	if a := w.hook(path, hookSecret, "d-1", "{}").want(503); a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	w.hook(path, hookSecret, "d-1", "{}").want(202)
	w.pump()
	if n := w.do("GET", "/v1/channels/hooks/events", ten.key, nil).want(200).length("data"); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}

func TestAWebhookOverTheTenantsLimitIs413(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	w.do("PATCH", "/v1/tenants/"+ten.id, w.operator, `{"limits":{"event_bytes":10}}`).want(200)
	path := w.sourceOf(ten, "none", "")
	w.do("POST", path, "", strings.Repeat("x", 10)).want(202)
	w.do("POST", path, "", strings.Repeat("x", 11)).want(413, "event_too_large")
}

// A provider that sends a delivery on several connections at once creates one event and gets a 2xx on each connection.
func TestTheSameWebhookManyTimesAtOnceIsOneEvent(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	s := w.source(ten, "hooks")
	ids := make(chan string, 16)
	var sent sync.WaitGroup
	for range cap(ids) {
		sent.Go(func() {
			a := w.hook(s.path, s.secret, "d-1", `{"n":1}`)
			if a.status != 200 && a.status != 202 {
				t.Errorf("got %d %s, want 200 or 202", a.status, a.body)
			}
			ids <- a.get("id")
		})
	}
	sent.Wait()
	w.pump()
	first := <-ids
	for range cap(ids) - 1 {
		if id := <-ids; id != first {
			t.Errorf("one sender was told %s, another %s, want the same", first, id)
		}
	}
	if n := w.do("GET", "/v1/channels/hooks/events", ten.key, nil).want(200).length("data"); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}
