package signing_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/tenants/signing"
)

const asked = "https://in.example/in/abc?"

// get returns a handshake whose values are in the query.
func get(query string) signing.Request {
	return signing.Request{Method: "GET", URL: asked + query, Header: map[string][]string{}}
}

func greet(t *testing.T, name string, r signing.Request) (reply string, asked bool, refusal string) {
	t.Helper()
	s := scheme(t, name)
	got, asked, err := s.Greet(r, []signing.Secret{secret(t, s, 0)}, "the verify token")
	if asked && err == nil && got.Status != 200 {
		t.Errorf("%s: got status %d, want 200", name, got.Status)
	}
	return string(got.Body), asked, code(t, err)
}

func TestHandshakeThatIsNotSignedByDesignIsAnswered(t *testing.T) {
	for _, c := range []struct {
		name string
		r    signing.Request
		want string
	}{
		{"meta", get("hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=the%20verify+token"), "1158201444"},
		{"dropbox", get("challenge=abc-123"), "abc-123"},
		{"microsoft-graph", signing.Request{Method: "POST", URL: asked + "validationToken=" +
			url.QueryEscape("Validation: Testing client, Request-Id: 1"), Header: map[string][]string{}},
			"Validation: Testing client, Request-Id: 1"},
		{"woocommerce", signing.Request{Method: "POST", URL: asked, Header: map[string][]string{},
			Body: []byte("webhook_id=42")}, ""},
	} {
		if got, asked, refusal := greet(t, c.name, c.r); !asked || refusal != "" || got != c.want {
			t.Errorf("%s: asked %v, refused %q, answered %q; want the answer %q", c.name, asked, refusal, got, c.want)
		}
	}
}

func TestAttack29ChallengeAbuseIsNeverEchoedIntoMarkupOrHeaders(t *testing.T) {
	script := url.QueryEscape("<script>alert(1)</script>")
	s := scheme(t, "meta")
	reply, _, err := s.Greet(get("hub.mode=subscribe&hub.verify_token=v&hub.challenge="+script), nil, "v")
	// with nosniff, which the caller must send, it stays text
	if err != nil || reply.ContentType != "text/plain; charset=utf-8" {
		t.Errorf("%+v, %v", reply, err)
	}
	for _, c := range []struct{ name, query, want string }{
		{"a line end", "hub.mode=subscribe&hub.verify_token=the+verify+token&hub.challenge=a%0d%0aSet-Cookie:x",
			signing.ChallengeMalformed},
		{"513 bytes", "hub.mode=subscribe&hub.verify_token=the+verify+token&hub.challenge=" + strings.Repeat("x", 513),
			signing.ChallengeMalformed},
		{"not ASCII", "hub.mode=subscribe&hub.verify_token=the+verify+token&hub.challenge=%c3%a4",
			signing.ChallengeMalformed},
		{"empty", "hub.mode=subscribe&hub.verify_token=the+verify+token&hub.challenge=", signing.ChallengeMalformed},
		{"missing", "hub.mode=subscribe&hub.verify_token=the+verify+token", signing.ChallengeMalformed},
		{"twice", "hub.mode=subscribe&hub.verify_token=the+verify+token&hub.challenge=a&hub.challenge=b",
			signing.ChallengeMalformed},
		{"a wrong token", "hub.mode=subscribe&hub.verify_token=the+verify+tokeN&hub.challenge=a",
			signing.VerifyTokenMismatch},
		{"no token", "hub.mode=subscribe&hub.challenge=a", signing.VerifyTokenMismatch},
		{"an empty token", "hub.mode=subscribe&hub.verify_token=&hub.challenge=a", signing.VerifyTokenMismatch},
		{"a token twice", "hub.mode=subscribe&hub.verify_token=the+verify+token&hub.verify_token=x&hub.challenge=a",
			signing.VerifyTokenMismatch},
	} {
		if got, asked, refusal := greet(t, "meta", get(c.query)); !asked || refusal != c.want || got != "" {
			t.Errorf("%s: asked %v, refused %q, answered %q; want refused %q", c.name, asked, refusal, got, c.want)
		}
	}
	if _, _, err := s.Greet(get("hub.mode=subscribe&hub.verify_token=&hub.challenge=a"), nil, ""); code(t,
		err) != signing.VerifyTokenMismatch {
		t.Errorf("a source without a verify token: %v, want %s", err, signing.VerifyTokenMismatch)
	}
}

func TestWhatIsNoQuestionIsNotAnswered(t *testing.T) {
	for name, r := range map[string]signing.Request{
		"meta":            get("hub.mode=unsubscribe&hub.challenge=a&hub.verify_token=the+verify+token"),
		"dropbox":         get("challeng=a"),
		"twitter":         get(""),
		"microsoft-graph": get("validationToken=a"), // by POST only
		"slack":           {Method: "POST", URL: asked, Body: []byte(`{"type":"url_verification","challenge":"x"}`)},
		"zoom": {Method: "POST", URL: asked,
			Body: []byte(`{"event":"endpoint.url_validation","payload":{"plainToken":"x"}}`)},
		"discord": {Method: "POST", URL: asked, Body: []byte(`{"type":1}`)},
		"woocommerce": {Method: "POST", URL: asked, Body: []byte("webhook_id=42"),
			Header: map[string][]string{"X-Wc-Webhook-Signature": {""}}},
		"github": get("challenge=a&hub.mode=subscribe&hub.challenge=a&crc_token=a"),
	} {
		if name == "discord" {
			if _, asked, _ := scheme(t, name).Greet(r, nil, ""); asked {
				t.Error("discord: an unsigned handshake is answered")
			}
			continue
		}
		if got, asked, refusal := greet(t, name, r); asked {
			t.Errorf("%s: refused %q, answered %q", name, refusal, got)
		}
	}
}

// X requests the MAC of a token that anyone could choose. The answer is no webhook's signature, because bodies are
// never tokens.
func TestAttack31ChallengeIsNoSigningOracle(t *testing.T) {
	s := scheme(t, "twitter")
	keys := []signing.Secret{secret(t, s, 0)}
	for _, body := range []string{`{"for_user_id":"1","tweet_create_events":[]}`, `[]`, `{}`, `""`, "a b", "a&b",
		`{"a":1}` + "\n", strings.Repeat("x", 129), ""} {
		if got, asked, refusal := greet(t, "twitter", get("crc_token="+url.QueryEscape(body))); !asked ||
			refusal != signing.ChallengeMalformed || got != "" {
			t.Errorf("%.40q: asked %v, refused %q, answered %q", body, asked, refusal, got)
		}
	}
	for _, token := range []string{"9b4507b3-9040-4669-9ca3-6b94edb50553", "MmI4ZjI3YQ==", "123", "true", "null",
		strings.Repeat("x", 128)} {
		got, answered, refusal := greet(t, "twitter", get("crc_token="+url.QueryEscape(token)))
		var answer struct {
			Token string `json:"response_token"`
		}
		if !answered || refusal != "" || json.Unmarshal([]byte(got), &answer) != nil ||
			!strings.HasPrefix(answer.Token, "sha256=") {
			t.Fatalf("%q: refused %q, answered %q", token, refusal, got)
		}
		forged := signing.Request{Method: "POST", URL: asked + "x=1", Body: []byte(token),
			Header: map[string][]string{"X-Twitter-Webhooks-Signature": {answer.Token}}}
		if _, err := s.Verify(forged, keys, clock, signing.Options{}); code(t, err) != signing.SignatureMismatch {
			t.Errorf("the answer to %q is accepted as a webhook's signature: %v", token, err)
		}
	}
}

// Zoom's handshake must be signed, and its MAC covers no message that Zoom would sign.
func TestAttack31ZoomsQuestionMustBeSigned(t *testing.T) {
	s := scheme(t, "zoom")
	keys := []signing.Secret{secret(t, s, 0)}
	ask := func(token string) (signing.Reply, bool) {
		t.Helper()
		r := signed(t, s, `{"event":"endpoint.url_validation","payload":{"plainToken":"`+token+`"}}`)
		v, err := s.Verify(r, keys, clock, signing.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s.Challenge(v, r, keys)
	}
	if reply, ok := ask("qgg8vlvZRS6UYooatFL8Aw"); !ok || !json.Valid(reply.Body) {
		t.Errorf("%v %s", ok, reply.Body)
	}
	for _, token := range []string{"v0:1700000000:{}", `\"}`, "a b", "", strings.Repeat("x", 129)} {
		if reply, ok := ask(token); ok {
			t.Errorf("%q is answered with %q, want no answer", token, reply.Body)
		}
	}
}

func TestAttack30SlacksQuestionUnsignedIsNotAnswered(t *testing.T) {
	s := scheme(t, "slack")
	r := signing.Request{Method: "POST", URL: asked, Body: []byte(`{"type":"url_verification","challenge":"x"}`),
		Header: map[string][]string{}}
	if _, asked, _ := s.Greet(r, []signing.Secret{secret(t, s, 0)}, ""); asked {
		t.Error("an unsigned handshake is answered")
	}
	if got := verify(t, s, r, signing.Options{}); got != signing.SignatureMissing {
		t.Errorf("got %q, want %q", got, signing.SignatureMissing)
	}
}

func TestDiscordsPingIsAnsweredAndAnEventIsNot(t *testing.T) {
	for _, p := range signing.Players(t, 0) {
		if p.Name != "discord" {
			continue
		}
		const event = `{"version":1,"application_id":"1","type":1,` +
			`"event":{"type":"APPLICATION_AUTHORIZED","timestamp":"2024"}}`
		for body, want := range map[string]string{
			`{"version":1,"application_id":"1","type":0}`:                      "204 ",
			`{"application_id":"1","id":"2","token":"t","type":1,"version":1}`: `200 {"type":1}`,
			event: "",
			`{"version":1,"application_id":"1","type":2,"data":{}}`: "",
		} {
			r := p.Compose(t, []byte(body), "")
			keys := []signing.Secret{p.Verifier}
			v, err := p.Verify(r, keys, clock, p.Options)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if reply, ok := p.Challenge(v, r, keys); ok {
				got = map[int]string{200: "200 ", 204: "204 "}[reply.Status] + string(reply.Body)
			}
			if got != want {
				t.Errorf("%s: answered %q, want %q", body, got, want)
			}
		}
	}
}

func TestSourceWithTwoSecretsAnswersUnderTheNewest(t *testing.T) {
	s := scheme(t, "twitter")
	both, _, _ := s.Greet(get("crc_token=a"), []signing.Secret{secret(t, s, 0), secret(t, s, 1), {}}, "")
	newest, _, _ := s.Greet(get("crc_token=a"), []signing.Secret{secret(t, s, 1)}, "")
	if string(both.Body) != string(newest.Body) || len(both.Body) == 0 {
		t.Errorf("got %s, want the newest secret's answer %s", both.Body, newest.Body)
	}
	if _, asked, err := s.Greet(get("crc_token=a"), nil, ""); !asked || err == nil {
		t.Errorf("without a secret: asked %v, error %v; want a refusal", asked, err)
	}
}

func TestMethodsOfASource(t *testing.T) {
	for name, want := range map[string]string{"github": "POST", "meta": "POST GET", "dropbox": "POST GET",
		"twitter": "POST GET", "intercom": "POST HEAD", "slack": "POST", "none": "POST"} {
		if got := strings.Join(scheme(t, name).Methods(), " "); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}
