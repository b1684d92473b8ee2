package signing_test

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants/signing"
)

// vector is one published signature of testdata/vectors.json.
type vector struct {
	ID, Provider, Method, URL string
	Secret                    string
	SecretHex                 string `json:"secret_hex"`
	Headers                   map[string]string
	Body                      []byte `json:"body_base64"`
	Now                       int64
	Expected                  string
	Response                  map[string]string `json:"expected_response"`
	Origin, Source            string
	Description, Note         string
}

// terms maps vectors without a row of their own, from other senders or of bare MACs, to custom terms.
var terms = map[string]signing.Custom{
	"generic-hmac":                      {Header: "X-Signature", Prefix: "sha256="},
	"hmac-primitive":                    {Header: "X-Mac", SecretEncoding: "hex"},
	"adyen-string":                      {Encoding: "base64", SecretEncoding: "hex"},
	"convoy-simple":                     {Header: "X-Convoy-Signature"},
	"convoy-simple_sha256_base64_valid": {Header: "X-Convoy-Signature", Encoding: "base64"},
	"convoy-simple_sha512_base64_valid": {Header: "X-Convoy-Signature", Encoding: "base64", Algorithm: "sha512"},
	"convoy-advanced": {Header: "X-Convoy-Signature", Prefix: "v1=", Separator: ",",
		TimestampPrefix: "t=", Signed: "{timestamp},{body}"},
	"convoy-advanced_sha256_base64_valid": {Header: "X-Convoy-Signature", Prefix: "v1=", Separator: ",",
		TimestampPrefix: "t=", Signed: "{timestamp},{body}", Encoding: "base64"},
}

// rows maps the names of variants to the provider's row.
var rows = map[string]string{"hubspot-v1": "hubspot", "hubspot-v2": "hubspot", "twitter-crc": "twitter",
	"zoom-challenge": "zoom"}

// scheme returns the row that the vector is about, and its secret as a tenant would enter it.
func (v vector) scheme(t *testing.T) (signing.Scheme, string) {
	t.Helper()
	name, custom, secret := v.Provider, signing.Custom{}, v.Secret
	if row := rows[name]; row != "" {
		name = row
	}
	own, found := terms[v.ID]
	if !found {
		own, found = terms[v.Provider]
	}
	if found {
		name, custom = "hmac", own
	}
	if v.SecretHex != "" {
		secret = v.SecretHex
	}
	s, ok := signing.Lookup(name)
	if !ok {
		t.Fatalf("no scheme %q", name)
	}
	s, err := s.Customize(custom)
	if err != nil {
		t.Fatal(err)
	}
	return s, secret
}

func (v vector) request() signing.Request {
	h := http.Header{}
	for name, value := range v.Headers {
		h.Set(name, value)
	}
	if v.Method == "" {
		v.Method = "POST"
	}
	return signing.Request{Method: v.Method, URL: v.URL, Header: h, Body: v.Body}
}

// clock returns the vector's time, or an arbitrary one if it has none.
func (v vector) clock() time.Time {
	if v.Now == 0 {
		return time.Unix(1_234_567_890, 0)
	}
	return time.Unix(v.Now, 0)
}

func TestEveryPublishedVectorGivesWhatItExpects(t *testing.T) {
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors []vector }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	ran, expected := map[string]int{}, map[string]int{}
	for _, v := range file.Vectors {
		t.Run(v.ID, func(t *testing.T) {
			s, text := v.scheme(t)
			secret, err := s.ParseSecret(text)
			if (err != nil) != (unfit[v.ID] != "") {
				t.Fatalf("ParseSecret: %v, expected refusal %q", err, unfit[v.ID])
			}
			if unfit[v.ID] == "short" {
				s.Key.Min = 1
				if secret, err = s.ParseSecret(text); err != nil {
					t.Fatal(err)
				}
			}
			ran[v.Provider]++
			expected[v.Expected]++
			if v.Response != nil {
				answered(t, s, v, secret)
				return
			}
			plain := accepted(t, s, v, secret, signing.Options{})
			legacy := accepted(t, s, v, secret, signing.Options{AllowLegacy: true})
			want := map[string][2]bool{"valid": {true, true}, "invalid": {false, false}, "valid-legacy": {false, true}}
			answer, ok := want[v.Expected]
			if !ok {
				t.Fatalf("unknown expectation %q", v.Expected)
			}
			if got := [2]bool{plain, legacy}; got != answer {
				t.Errorf("accepted (by default, with AllowLegacy) = %v, want %v (%s)", got, answer, v.Note)
			}
		})
	}
	total := 0
	for provider, n := range vectorCounts {
		if ran[provider] != n {
			t.Errorf("%s: %d vectors ran, want %d", provider, ran[provider], n)
		}
		total += n
	}
	if total != 93 || len(file.Vectors) != total || expected["valid"] < 50 || expected["invalid"] < 30 ||
		expected["valid-legacy"] != 5 {
		t.Errorf("got %d vectors that expect %v, want 93", len(file.Vectors), expected)
	}
}

// unfit has the secrets that cannot be configured, and why. The short ones are about something else.
var unfit = map[string]string{
	"standardwebhooks-empty-secret": "empty",
	"generic-nosecret":              "empty",
	"github-octokit-2":              "short",
	"paddle-key":                    "short",
	"twilio-form-http":              "short",
	"twilio-form-1":                 "short",
	"twilio-form-port":              "short",
	"twilio-form-sort":              "short",
	"twilio-json-nohash":            "short",
}

// vectorCounts has the number of vectors of each provider.
var vectorCounts = map[string]int{
	"adyen": 2, "adyen-platform": 2, "adyen-string": 1, "bitbucket": 1, "calendly": 1, "convoy-advanced": 6,
	"convoy-simple": 4, "discord": 2, "docusign": 1, "dropbox": 1, "generic-hmac": 4, "github": 10, "gitlab": 2,
	"gitlab-signing": 1, "hmac-primitive": 2, "hubspot": 1, "hubspot-v1": 1, "hubspot-v2": 2, "intercom": 1,
	"linear": 1, "mailgun": 1, "meta": 1, "paddle": 4, "razorpay": 2, "sendgrid": 4, "shopify": 1, "slack": 5,
	"square": 6, "standard-webhooks": 6, "stripe": 6, "svix": 1, "twilio": 5, "twitter-crc": 1, "typeform": 1,
	"woocommerce": 1, "zoom": 1, "zoom-challenge": 1,
}

// answered compares the answer to a handshake with the published one. If the provider signs its handshake, the vector
// is signed first.
func answered(t *testing.T, s signing.Scheme, v vector, secret signing.Secret) {
	t.Helper()
	r := v.request()
	keys := []signing.Secret{secret}
	reply, asked, err := s.Greet(r, keys, "")
	if s.Handshakes[0].Signed {
		if asked {
			t.Error("answered without a signature")
		}
		if r.Header, err = s.Sign(secret, r, "", v.clock()); err != nil {
			t.Fatal(err)
		}
		verified, err := s.Verify(r, keys, v.clock(), signing.Options{})
		if err != nil {
			t.Fatal(err)
		}
		reply, asked = s.Challenge(verified, r, keys)
	}
	var got map[string]string
	if err != nil || !asked || json.Unmarshal(reply.Body, &got) != nil || !maps.Equal(got, v.Response) {
		t.Errorf("answered with %q (%v), want %v", reply.Body, err, v.Response)
	}
}

func accepted(t *testing.T, s signing.Scheme, v vector, secret signing.Secret, o signing.Options) bool {
	t.Helper()
	got, err := s.Verify(v.request(), []signing.Secret{secret}, v.clock(), o)
	var refusal *signing.Error
	switch {
	case err == nil && (got.Scheme != s.Name || got.Secret != 0 || got.Legacy != (v.Expected == "valid-legacy")):
		t.Errorf("accepted as %+v", got)
	case err != nil && (!errors.As(err, &refusal) || refusal.Code == "" || refusal.Detail == ""):
		t.Errorf("refused without code or detail: %v", err)
	}
	return err == nil
}
