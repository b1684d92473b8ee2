package signing_test

import (
	"strings"
	"testing"

	"github.com/hookcast/hookcast/tenants/signing"
)

// metadata verifies a request under a scheme, with the given headers added after signing.
func metadata(t *testing.T, s signing.Scheme, body string, headers map[string][]string) signing.Verified {
	t.Helper()
	r := signed(t, s, body)
	for name, values := range headers {
		r.Header[name] = values
	}
	v, err := s.Verify(r, []signing.Secret{secret(t, s, 0)}, clock, signing.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestFactsOfADelivery(t *testing.T) {
	for _, c := range []struct {
		name, scheme, body string
		headers            map[string][]string
		id, kind           string
		idSigned           bool
		attempt            int
	}{
		{"from headers", "github", "{}", map[string][]string{"X-Github-Delivery": {"72d3162e"},
			"X-Github-Event": {"push"}}, "72d3162e", "push", false, 0},
		{"from headers", "shopify", "{}", map[string][]string{"X-Shopify-Webhook-Id": {"b54557e4"},
			"X-Shopify-Topic": {"orders/create"}}, "b54557e4", "orders/create", false, 0},
		{"from the body", "stripe", `{"id":"evt_1","object":"event","type":"charge.failed"}`, nil,
			"evt_1", "charge.failed", true, 0},
		{"from the body, inner type", "slack",
			`{"type":"event_callback","event":{"type":"app_mention"},"event_id":"Ev1"}`,
			map[string][]string{"X-Slack-Retry-Num": {"2"}}, "Ev1", "app_mention", true, 3},
		{"from the body, outer type", "slack", `{"type":"app_rate_limited"}`, nil, "", "app_rate_limited", false, 0},
		{"a form", "slack", `token=x&command=%2Fgo`, nil, "", "", false, 0},
		{"from both", "standard-webhooks", `{"type":"user.created"}`, nil, "msg_1", "user.created", true, 0},
		{"from both", "svix", `{"type":"user.created"}`, nil, "msg_1", "user.created", true, 0},
		{"a body that is not JSON", "svix", "<xml/>", nil, "msg_1", "", true, 0},
		{"nowhere", "hmac", `{"id":"x"}`, nil, "", "", false, 0},
		{"nowhere", "none", `{"id":"x"}`, nil, "", "", false, 0},
	} {
		v := metadata(t, scheme(t, c.scheme), c.body, c.headers)
		if v.DeliveryID != c.id || v.Type != c.kind || v.IDSigned != c.idSigned || v.Attempt != c.attempt ||
			v.Scheme != c.scheme {
			t.Errorf("%s, %s: got %+v, want %+v", c.scheme, c.name, v, c)
		}
		if signs := scheme(t, c.scheme).SignsID(); c.id != "" && signs != c.idSigned {
			t.Errorf("%s: SignsID is %v, want %v", c.scheme, signs, c.idSigned)
		}
		if len(v.Notes) != 0 {
			t.Errorf("%s, %s: got notes %q, want none", c.scheme, c.name, v.Notes)
		}
	}
}

func TestUnusableFactIsLeftOutAndNoted(t *testing.T) {
	long := strings.Repeat("x", signing.MaxDeliveryID)
	for _, c := range []struct {
		name  string
		value []string
		want  string
		note  string
	}{
		{"at the limit", []string{long}, long, ""},
		{"over the limit", []string{long + "x"}, "", "longer than 256 bytes"},
		{"empty", []string{""}, "", "empty"},
		{"newline", []string{"a\nb"}, "", "not printable"},
		{"NUL", []string{"a\x00"}, "", "not printable"},
		{"DEL", []string{"a\x7f"}, "", "not printable"},
		{"C1 control", []string{"a\u0085"}, "", "not printable"},
		{"line separator", []string{"a\u2028"}, "", "not printable"},
		{"bidirectional override", []string{"a\u202e"}, "", "not printable"},
		{"broken UTF-8", []string{"a\xff"}, "", "not printable"},
		{"two instances", []string{"a", "b"}, "", "several headers"},
		{"two instances joined", []string{"a, b"}, "", "several headers"},
		{"no instance", []string{}, "", ""},
	} {
		v := metadata(t, scheme(t, "github"), "{}", map[string][]string{"X-Github-Delivery": c.value})
		if v.DeliveryID != c.want || (len(v.Notes) > 0) != (c.note != "") {
			t.Errorf("%s: got %q with notes %q, want %q with a note %q", c.name, v.DeliveryID, v.Notes, c.want, c.note)
		}
		if c.note != "" && !strings.Contains(v.Notes[0], c.note) {
			t.Errorf("%s: got note %q, want %q", c.name, v.Notes[0], c.note)
		}
	}
}

func TestUnusableFieldFallsToTheNextPlace(t *testing.T) {
	v := metadata(t, scheme(t, "slack"), `{"event":{"type":"a\u0000b"},"type":"event_callback"}`, nil)
	if v.Type != "event_callback" || len(v.Notes) != 1 {
		t.Errorf("%q, notes %q", v.Type, v.Notes)
	}
	v = metadata(t, scheme(t, "stripe"), `{"id":"`+strings.Repeat("x", 1<<20)+`","type":"t"}`, nil)
	if v.DeliveryID != "" || v.Type != "t" || len(v.Notes) != 1 || v.IDSigned {
		t.Errorf("id %d bytes, type %q, notes %q", len(v.DeliveryID), v.Type, v.Notes)
	}
}

func TestAttemptThatIsNoNumberIsLeftOutAndNoted(t *testing.T) {
	for _, text := range []string{"x", "-1", "+1", "1e3", "9999999999", "4294967295"} {
		v := metadata(t, scheme(t, "slack"), "{}", map[string][]string{"X-Slack-Retry-Num": {text}})
		if v.Attempt != 0 || len(v.Notes) != 1 {
			t.Errorf("%s: %d, notes %q", text, v.Attempt, v.Notes)
		}
	}
}

func TestDeepBodyThatIsSignedIsVerifiedWithoutItsFields(t *testing.T) {
	deep := strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)
	v := metadata(t, scheme(t, "stripe"), `{"x":`+deep+`,"id":"evt_1","type":"t"}`, nil)
	if v.DeliveryID != "" || v.Type != "" {
		t.Errorf("%q, %q", v.DeliveryID, v.Type)
	}
}

// A request yields no metadata before its signature is verified.
func TestRefusedRequestGivesNoFacts(t *testing.T) {
	for _, a := range attacks {
		s := scheme(t, a.scheme)
		r := signed(t, s, `{"id":"evt_1","type":"t"}`)
		r.Header["X-Github-Delivery"] = []string{"d1"}
		v, err := s.Verify(r, []signing.Secret{secret(t, s, 1)}, clock, signing.Options{})
		if err == nil || v.DeliveryID+v.Type+v.Scheme != "" || len(v.Notes) != 0 {
			t.Errorf("%s: got %+v, %v; want a refusal without metadata", a.scheme, v, err)
		}
	}
}
