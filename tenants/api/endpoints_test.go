package api_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/api"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

const hooksURL = `"url":"https://hooks.example.com/in"`

// endpoint makes an endpoint whose server echoes the challenge.
func (w *world) endpoint(by tenant, members string) answer {
	w.t.Helper()
	w.posts.set(echoing)
	defer w.posts.set(nil)
	return w.do("POST", "/v1/endpoints", by.key, `{"name":"hooks",`+hooksURL+members+`}`).want(201)
}

func TestAnEndpointWhoseReceiverEchoesTheChallengeIsEnabledAtOnce(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	a := w.endpoint(ten,
		`,"channels":["orders.*"],"types":["order.paid"],"filter":"data.total > 100",`+
			`"headers":{"authorization":"Bearer of-the-tenants-own"},"schedule_seconds":[5,60]`)
	if a.get("state") != "enabled" || !strings.HasPrefix(a.get("secret"), "whsec_") || a.get("secret_scheme") != "v1" {
		t.Errorf("got %s, want state enabled, secret beginning with whsec_, secret_scheme v1", a.body)
	}
	sent := w.posts.all()
	if len(sent) != 1 || sent[0].Header["Hookcast-Event-Type"][0] != "hookcast.endpoint.verification" ||
		!strings.HasPrefix(sent[0].Header["Webhook-Signature"][0], "v1,") {
		t.Fatalf("sent %+v, want one verification with a v1 signature", sent)
	}
	shown := w.do("GET", "/v1/endpoints/"+a.get("id"), ten.key, nil).want(200)
	if shown.has("secret") || shown.get("header_names", 0) != "Authorization" ||
		strings.Contains(string(shown.body), "of-the-tenants-own") {
		t.Errorf("got %s, want no member secret, header_names.0 Authorization, the body without of-the-tenants-own",
			shown.body)
	}
	if n := w.do("GET", "/v1/endpoints", ten.key, nil).want(200).length("data"); n != 1 {
		t.Errorf("%d are listed, want 1", n)
	}
	keys := w.do("GET", "/v1/endpoints/"+a.get("id")+"/secret", ten.key, nil).want(200)
	if keys.get("data", 0, "secret") != a.get("secret") {
		t.Error("the secret is not shown again")
	}
	_, admin := w.key(ten, "admin")
	w.do("GET", "/v1/endpoints/"+a.get("id")+"/secret", admin, nil).want(200)
	_, viewer := w.key(ten, "viewer")
	w.do("GET", "/v1/endpoints/"+a.get("id")+"/secret", viewer, nil).want(403)
	w.do("GET", "/v1/endpoints", viewer, nil).want(403)
	_, publisher := w.key(ten, "publisher")
	w.do("POST", "/v1/endpoints", publisher, `{"name":"hooks",`+hooksURL+`}`).want(403)
}

func TestAnEndpointIsPendingUntilItsURLIsProven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ten := w.tenant("Acme")
		a := w.do("POST", "/v1/endpoints", ten.key, `{"name":"hooks",`+hooksURL+`}`).want(201)
		path := "/v1/endpoints/" + a.get("id")
		if a.get("state") != "pending" || a.get("verification", "status") != "200" {
			t.Fatalf("got %s, want state pending, verification.status 200", a.body)
		}
		challenge := challengeIn(w.posts.all()[0])
		if len(challenge) < 26 || strings.Contains(string(a.body), challenge) {
			t.Fatal("the answer gives the challenge away")
		}
		for name, came := range map[string]tenants.Answer{
			"another text":       {Status: 200, Body: []byte("yes")},
			"an error":           {Status: 500, Body: []byte(challenge)},
			"a redirect":         {Status: 302, Body: []byte(challenge)},
			"cut in the middle":  {Status: 200, Body: []byte(challenge), Failure: tenants.FailureReset},
			"too long an answer": {Status: 200, Body: []byte(challenge), Truncated: true},
			"the request itself": {Status: 200, Body: []byte(`{"type":"x","data":{"challenge":"` + challenge + `"}}`)},
			"a page around it":   {Status: 200, Body: []byte("<p>" + challenge + "</p>")},
		} {
			w.posts.set(func(tenants.Outgoing) tenants.Answer { return came })
			v := w.rested(func() answer { return w.do("POST", path+"/verify", ten.key, nil) }).want(200)
			if v.get("verified") != "false" || v.get("state") != "pending" {
				t.Errorf("%s: got %s, want verified false, state pending", name, v.body)
			}
		}
		w.rested(func() answer { return w.do("POST", path+"/test", ten.key, nil) }).want(409, "endpoint_unproven")
		w.do("POST", path+"/enable", ten.key, nil).want(200)
		if w.do("GET", path, ten.key, nil).get("state") != "pending" {
			t.Error("enabled without proof")
		}
		w.do("POST", path+"/verify", ten.key, `{"challenge":"00000000000000000000000000"}`).want(422,
			"challenge_failed")
		v := w.do("POST", path+"/verify", ten.key, `{"challenge":"`+challenge+`"}`).want(200)
		if v.get("state") != "enabled" {
			t.Errorf("got %s, want state enabled", v.body)
		}
		w.posts.set(func(o tenants.Outgoing) tenants.Answer {
			return tenants.Answer{Status: 201, Body: []byte(`{"challenge":"` + challengeIn(o) + `"}`)}
		})
		moved := w.rested(func() answer {
			return w.do("PATCH", path, ten.key, `{"url":"https://elsewhere.example.com"}`)
		}).want(200)
		if moved.get("url") != "https://elsewhere.example.com/" ||
			challengeIn(w.posts.all()[len(w.posts.all())-1]) == challenge {
			t.Errorf("got %s, want the new URL and a new challenge", moved.body)
		}
	})
}

// rested calls ask after a pause, so that rate limits do not apply. Time is simulated.
func (w *world) rested(ask func() answer) answer {
	w.t.Helper()
	time.Sleep(time.Minute)
	return ask()
}

// The attack: tests that flood a server.
func TestProbesAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ten := w.tenant("Acme")
		path := "/v1/endpoints/" + w.endpoint(ten, "").get("id")
		time.Sleep(time.Minute)
		w.do("POST", path+"/test", ten.key, nil).want(200)
		w.do("POST", path+"/verify", ten.key, nil).want(200)
		a := w.do("POST", path+"/test", ten.key, nil).want(429, "probe_rate")
		if a.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		w.do("POST", path+"/verify", ten.key, nil).want(429, "probe_rate")
		time.Sleep(time.Second)
		w.do("POST", path+"/test", ten.key, nil).want(200)
	})
}

func TestEndpointTestShowsWhatCameOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ten := w.tenant("Acme")
		path := "/v1/endpoints/" + w.endpoint(ten, `,"channels":["orders.*"],"filter":"data.total > 100"`).get("id") +
			"/test"
		w.posts.set(func(tenants.Outgoing) tenants.Answer {
			return tenants.Answer{Status: 503, Header: map[string][]string{"Server": {"x"}}, Body: []byte("busy \xff"),
				Truncated: true, Connected: true, Took: 34 * time.Millisecond}
		})
		a := w.rested(func() answer { return w.do("POST", path, ten.key, nil) }).want(200)
		if a.get("delivered") != "false" || a.get("status") != "503" || a.get("matches") != "null" ||
			a.get("took_ms") != "34" || a.get("encoding") != "base64" ||
			a.get("body") != base64.StdEncoding.EncodeToString([]byte("busy \xff")) || a.get("truncated") != "true" {
			t.Errorf("got %s, want delivered false, status 503, matches null, took_ms 34, encoding base64, body %v, "+
				"truncated true", a.body, base64.StdEncoding.EncodeToString([]byte("busy \xff")))
		}
		for _, c := range []struct{ event, matches, filterError string }{
			{`{"channel":"orders.42","type":"order.paid","data":{"total":101}}`, "true", ""},
			{`{"channel":"orders.42","type":"order.paid","data":{"total":99}}`, "false", ""},
			{`{"channel":"invoices","type":"order.paid","data":{"total":101}}`, "false", ""},
			{`{"channel":"orders.42","type":"order.paid","data":{}}`, "false", "no such key: total"},
		} {
			a := w.rested(func() answer { return w.do("POST", path, ten.key, `{"event":`+c.event+`}`) }).want(200)
			said := ""
			if a.has("filter_error") {
				said = a.get("filter_error")
			}
			if a.get("matches") != c.matches || said != c.filterError {
				t.Errorf("%s: got %s, want matches %v, said %v", c.event, a.body, c.matches, c.filterError)
			}
		}
		var sent struct {
			Event struct{ Data json.RawMessage }
		}
		body := `{"event":{"channel":"orders.42","type":"order.paid","data":{"total": 1.50 , "a":[]}}}`
		w.must(json.Unmarshal([]byte(body), &sent))
		w.rested(func() answer { return w.do("POST", path, ten.key, body) }).want(200)
		o := w.posts.all()[len(w.posts.all())-1]
		if string(o.Body) != string(sent.Event.Data) || o.Header["Hookcast-Channel"][0] != "orders.42" ||
			o.Header["Webhook-Id"][0] == "" {
			t.Errorf("sent %s with %v, want %s of orders.42 with a Webhook-Id", o.Body, o.Header, sent.Event.Data)
		}
		for _, bad := range []string{`{"event":{}}`, `{"event":{"channel":"A","type":"x","data":1}}`,
			`{"event":{"channel":"a","type":"hookcast.x","data":1}}`, `{"event":1}`, `{"events":1}`,
			`{"event":{"channel":"a","type":"x","data":1,"id":"x"}}`} {
			w.do("POST", path, ten.key, bad).want(422, "invalid_fields")
		}
	})
}

// The attack: the test call reads the answer of an internal server.
func TestABlockedTestShowsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ten := w.tenant("Acme")
		path := "/v1/endpoints/" + w.endpoint(ten, "").get("id") + "/test"
		w.posts.set(func(tenants.Outgoing) tenants.Answer { return tenants.Answer{Failure: tenants.FailureBlocked} })
		a := w.rested(func() answer { return w.do("POST", path, ten.key, nil) }).want(200)
		if a.get("failure") != "blocked" || a.get("status") != "0" || a.get("body") != "" ||
			a.get("delivered") != "false" {
			t.Errorf("got %s, want failure blocked, status 0, an empty body, delivered false", a.body)
		}
	})
}

func TestEndpointMembersThatAreRefused(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	for members, code := range map[string]string{
		`"url":"https://hooks.example.com/"`:                                  "invalid_fields",
		`"name":"x"`:                                                          "invalid_fields",
		`"name":"x","url":"http://hooks.example.com/"`:                        "invalid_url",
		`"name":"x","url":"https://127.0.0.1/"`:                               "invalid_url",
		`"name":"x","url":"https://hooks.hookcast.example/in/abc"`:            "invalid_url",
		`"name":"x",` + hooksURL + `,"channels":["A"]`:                        "invalid_channel",
		`"name":"x",` + hooksURL + `,"channels":"a"`:                          "invalid_fields",
		`"name":"x",` + hooksURL + `,"types":["a b"]`:                         "invalid_type",
		`"name":"x",` + hooksURL + `,"filter":"data.a >"`:                     "invalid_filter",
		`"name":"x",` + hooksURL + `,"filter":7`:                              "invalid_fields",
		`"name":"x",` + hooksURL + `,"headers":{"Host":"evil"}`:               "invalid_header",
		`"name":"x",` + hooksURL + `,"headers":{"webhook-id":"x"}`:            "invalid_header",
		`"name":"x",` + hooksURL + `,"headers":{"X-A":"a\r\nHost: evil"}`:     "invalid_fields",
		`"name":"x",` + hooksURL + `,"headers":{"X-A":1}`:                     "invalid_fields",
		`"name":"x",` + hooksURL + `,"per_second":-1`:                         "invalid_fields",
		`"name":"x",` + hooksURL + `,"concurrency":1e3`:                       "invalid_fields",
		`"name":"x",` + hooksURL + `,"schedule_seconds":[0]`:                  "invalid_schedule",
		`"name":"x",` + hooksURL + `,"schedule_seconds":[1.5]`:                "invalid_fields",
		`"name":"x",` + hooksURL + `,"schedule_seconds":5`:                    "invalid_fields",
		`"name":"x",` + hooksURL + `,"secret_scheme":"v2"`:                    "invalid_scheme",
		`"name":"x",` + hooksURL + `,"secret":"v1,whsec_short-and-wrong-one"`: "invalid_secret",
		`"name":"x",` + hooksURL + `,"state":"enabled"`:                       "invalid_fields",
		`"name":"x",` + hooksURL + `,"id":"end_1"`:                            "invalid_fields",
		`"name":"x",` + hooksURL + `,"tenant_id":"ten_1"`:                     "invalid_fields",
	} {
		w.do("POST", "/v1/endpoints", ten.key, "{"+members+"}").want(422, code)
	}
	if n := len(w.posts.all()); n != 0 {
		t.Errorf("a refused endpoint was posted to %d times, want 0", n)
	}
	path := "/v1/endpoints/" + w.endpoint(ten, "").get("id")
	for _, body := range []string{`{"secret":"x"}`, `{"secret_scheme":"v1a"}`, `{"state":"enabled"}`, `{"proven":"x"}`,
		`{"name":null}`} {
		w.do("PATCH", path, ten.key, body).want(422, "invalid_fields")
	}
	a := w.do("PATCH", path, ten.key, `{"filter":"a\nb ="}`).want(422, "invalid_filter")
	if !strings.Contains(string(a.body), "line 1, column 1") && !strings.Contains(string(a.body), "line 2") {
		t.Errorf("got %s, want line and column", a.body)
	}
	before := w.do("GET", path, ten.key, nil).want(200)
	changed := w.do("PATCH", path, ten.key,
		`{"schedule_seconds":[],"per_second":5,"ordered":true,"filter":"","headers":{"X-A":"b"}}`).want(200)
	if changed.length("schedule_seconds") != 0 || changed.get("per_second") != "5" ||
		changed.get("ordered") != "true" || changed.get("header_names", 0) != "X-A" ||
		changed.get("state") != "enabled" {
		t.Errorf("got %s, want 0 elements in schedule_seconds, per_second 5, ordered true, header_names.0 X-A, "+
			"state enabled", changed.body)
	}
	again := w.do("PATCH", path, ten.key, `{"schedule_seconds":null}`).want(200)
	if again.length("schedule_seconds") != before.length("schedule_seconds") {
		t.Errorf("got %s, want %v elements in schedule_seconds", again.body, before.length("schedule_seconds"))
	}
}

// An ordered endpoint resumes from its position however it is enabled. If the message for that cannot be sent, the call
// fails and can be repeated.
func TestOrderedEndpointIsResumedByWhatEnablesIt(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	waiting := w.outbox.Waiting.(*tenantstest.Queue)
	path := "/v1/endpoints/" + w.endpoint(ten, `,"ordered":true`).get("id")
	want := waiting.Len()
	sent := func(after string) {
		t.Helper()
		want++
		if n := waiting.Len(); n != want {
			t.Errorf("%s: %d messages, want %d", after, n, want)
		}
	}
	w.do("POST", path+"/disable", ten.key, nil).want(200)
	waiting.Turn(tenantstest.Faults{Lost: 1})
	w.do("POST", path+"/enable", ten.key, nil).want(503)
	waiting.Turn(tenantstest.Faults{})
	w.do("POST", path+"/enable", ten.key, nil).want(200)
	sent("enabled")
	w.posts.set(echoing)
	moved := w.do("PATCH", path, ten.key, `{"url":"https://hooks.example.com/elsewhere"}`).want(200)
	if moved.get("state") != "enabled" {
		t.Errorf("got %s, want state enabled", moved.body)
	}
	sent("proven")
	other := w.tenant("Other")
	plain := "/v1/endpoints/" + w.endpoint(other, "").get("id")
	w.do("POST", plain+"/enable", other.key, nil).want(200)
	if n := waiting.Len(); n != want {
		t.Errorf("an endpoint without order: %d messages, want %d", n, want)
	}
}

func TestEndpointIsDisabledEnabledRotatedAndEnded(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	made := w.endpoint(ten, `,"secret_scheme":"v1a"`)
	if made.has("secret") || !strings.HasPrefix(made.get("public_key"), "whpk_") {
		t.Errorf("got %s, want no member secret, public_key beginning with whpk_", made.body)
	}
	path := "/v1/endpoints/" + made.get("id")
	off := w.do("POST", path+"/disable", ten.key, `{"reason":"maintenance"}`).want(200)
	if off.get("state") != "disabled" || off.get("state_reason") != "maintenance" {
		t.Errorf("got %s, want state disabled, state_reason maintenance", off.body)
	}
	w.do("POST", path+"/disable", ten.key, `{"reason":"`+strings.Repeat("a", 201)+`"}`).want(422, "invalid_fields")
	if on := w.do("POST", path+"/enable", ten.key, nil).want(200); on.get("state") != "enabled" ||
		on.get("state_reason") != "" {
		t.Errorf("got %s, want state enabled, an empty state_reason", on.body)
	}
	next := w.do("POST", path+"/rotate-secret", ten.key, `{"overlap_seconds":3600,"secret_scheme":"v1"}`,
		"Idempotency-Key", "k").want(201)
	if !strings.HasPrefix(next.get("secret"), "whsec_") || next.get("expires_at") != "null" {
		t.Errorf("got %s, want secret beginning with whsec_, expires_at null", next.body)
	}
	again := w.do("POST", path+"/rotate-secret", ten.key, `{"overlap_seconds":3600,"secret_scheme":"v1"}`,
		"Idempotency-Key", "k").want(201)
	if again.has("secret") || again.get("id") != next.get("id") || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("got %s, want no member secret, id %v, Idempotent-Replayed true", again.body, next.get("id"))
	}
	keys := w.do("GET", path+"/secret", ten.key, nil).want(200)
	if keys.length("data") != 2 || keys.get("data", 1, "public_key") != made.get("public_key") ||
		keys.get("data", 1, "expires_at") == "null" {
		t.Errorf("got %s, want 2 elements in data, data.1.public_key %v, data.1.expires_at set",
			keys.body, made.get("public_key"))
	}
	w.do("POST", path+"/rotate-secret", ten.key, `{"overlap_seconds":604801}`).want(422, "invalid_fields")
	w.do("DELETE", path, ten.key, nil).want(204)
	w.do("GET", path, ten.key, nil).want(404, "endpoint_not_found")
	w.do("POST", path+"/test", ten.key, nil).want(404, "endpoint_not_found")
}

func TestEndpointLimitIs429(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	w.do("PATCH", "/v1/tenants/"+ten.id, w.operator, `{"limits":{"endpoints":1}}`).want(200)
	w.endpoint(ten, "")
	w.do("POST", "/v1/endpoints", ten.key, `{"name":"hooks",`+hooksURL+`}`).want(429, "endpoint_limit")
}

type recoveries struct{ asked []string }

func (r *recoveries) Recover(_ context.Context, t tenants.TenantID, endpoint string, since time.Time) (string, error) {
	r.asked = append(r.asked, fmt.Sprint(t, " ", endpoint, " ", since.Format(time.RFC3339)))
	return "rpl_1", nil
}

func TestEndpointRecoversSinceATime(t *testing.T) {
	r := &recoveries{}
	w := newWorld(t, func(o *api.Options) { o.Recovery = r })
	ten := w.tenant("Acme")
	id := w.endpoint(ten, "").get("id")
	path := "/v1/endpoints/" + id + "/recover"
	w.do("POST", path, ten.key, `{"since":"2026-01-02T01:00:00+01:00"}`).want(202)
	if len(r.asked) != 1 || r.asked[0] != ten.id+" "+id+" 2026-01-02T00:00:00Z" {
		t.Errorf("asked for %q, want one recovery of %s since 2026-01-02T00:00:00Z", r.asked, id)
	}
	for _, body := range []string{`{}`, `{"since":"yesterday"}`, `{"since":"9999-01-01T00:00:00Z"}`, `{"since":0}`,
		`{"since":"2026-01-02T00:00:00Z","until":"x"}`} {
		w.do("POST", path, ten.key, body).want(422, "invalid_fields")
	}
}

// The attack: a loop through publishing.
func TestAPublishRemembersItsHops(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	w.do("POST", "/v1/channels/a/events", ten.key, `{"type":"x","data":1}`, "Hookcast-Hops", "2").want(202)
	got, err := w.queue.Receive(t.Context(), 10, 0)
	w.must(err)
	e, err := tenants.DecodeEvent(got[0].Body)
	w.must(err)
	if e.Hops != 2 {
		t.Errorf("%d hops, want 2", e.Hops)
	}
}
