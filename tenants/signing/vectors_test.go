package signing_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants/signing"
)

// vector is one published signature of testdata/vectors.json.
type vector struct {
	ID, Provider      string
	Secret            string
	SecretHex         string `json:"secret_hex"`
	Headers           map[string]string
	Body              []byte `json:"body_base64"`
	Now               int64
	Expected          string
	Origin, Source    string
	Description, Note string
}

// scheme gives the row that the vector is about, and its secret as a tenant would enter it.
func (v vector) scheme(t *testing.T) (signing.Scheme, string) {
	t.Helper()
	name, secret, custom := v.Provider, v.Secret, signing.Custom{}
	switch v.Provider {
	case "generic-hmac":
		name, custom = "hmac", signing.Custom{Header: "X-Signature", Prefix: "sha256="}
	case "hmac-primitive":
		name, secret, custom = "hmac", v.SecretHex, signing.Custom{Header: "X-Mac", SecretEncoding: "hex"}
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
	return signing.Request{Method: "POST", Header: h, Body: v.Body}
}

// clock is the vector's, or any where it names none.
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
	// Secrets that cannot even be configured, and why.
	unfit := map[string]string{
		"standardwebhooks-empty-secret": "empty",
		"generic-nosecret":              "empty",
		"github-octokit-2":              "three bytes",
	}
	ran := map[string]int{}
	for _, v := range file.Vectors {
		t.Run(v.ID, func(t *testing.T) {
			s, text := v.scheme(t)
			secret, err := s.ParseSecret(text)
			if (err != nil) != (unfit[v.ID] != "") {
				t.Fatalf("ParseSecret: %v, expected refusal %q", err, unfit[v.ID])
			}
			if unfit[v.ID] == "three bytes" { // its point is the mismatch
				s.Key.Min = 1
				if secret, err = s.ParseSecret(text); err != nil {
					t.Fatal(err)
				}
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
			ran[v.Provider]++
		})
	}
	want := map[string]int{"github": 10, "stripe": 6, "shopify": 1, "slack": 5, "standard-webhooks": 6, "svix": 1,
		"generic-hmac": 4, "hmac-primitive": 2}
	for provider, n := range want {
		if ran[provider] != n {
			t.Errorf("%s: %d vectors ran, there are %d", provider, ran[provider], n)
		}
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
