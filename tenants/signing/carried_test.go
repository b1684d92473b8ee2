package signing_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/tenants/signing"
)

// The carried headers are enough to verify a signed webhook again, unless that needs the secret itself or a plain hash.
func TestWhatIsCarriedVerifiesAgain(t *testing.T) {
	for _, s := range signing.Schemes() {
		if s.None() || s.Mark.Algorithm.Public() || s.Mark.Field != "" || s.Timestamp.Field != "" ||
			s.Mark.Algorithm == signing.Token || s.Covers() == signing.Nothing {
			continue
		}
		body := []byte("a=1&b=2")
		r := signing.Request{Method: "POST", URL: "https://hooks.example/in/1",
			Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Cookie": {"a=b"},
				"User-Agent": {"x"}}, Body: body}
		for _, name := range []string{"Paypal-Transmission-Id"} {
			r.Header[name] = []string{"1"}
		}
		header, err := s.Sign(secret(t, s, 0), r, "id-1", clock)
		if err != nil {
			t.Errorf("%s: %v", s.Name, err)
			continue
		}
		maps.Copy(r.Header, header)
		carried := s.Carried(r, false)
		again := signing.Request{Method: r.Method, URL: r.URL,
			Header: http.Header{"Content-Type": r.Header["Content-Type"]}, Body: body}
		for name, value := range carried {
			again.Header[name] = []string{value}
		}
		if _, err := s.Verify(again, []signing.Secret{secret(t, s, 0)}, clock, signing.Options{}); err != nil {
			t.Errorf("%s: with %v carried of %v: %v", s.Name, carried, r.Header, err)
		}
		if carried["Cookie"] != "" || carried["User-Agent"] != "" {
			t.Errorf("%s: carried %v, want neither Cookie nor User-Agent", s.Name, carried)
		}
		for name := range s.Carried(r, true) {
			if name == s.Mark.Header || name == s.Mark.Header+"-1" || name == s.Timestamp.Header {
				t.Errorf("%s: %s is carried with a body that it does not cover", s.Name, name)
			}
		}
	}
}

// Attack: a tenant's own terms, or a provider's token, would expose a credential to every key of the tenant.
func TestNoCredentialIsCarriedWhateverItIsNamedFor(t *testing.T) {
	gitlab := scheme(t, "gitlab")
	r := signing.Request{Header: map[string][]string{"X-Gitlab-Token": {"canary"}, "X-Gitlab-Event": {"Push Hook"},
		"Idempotency-Key": {"1"}}}
	if got := fmt.Sprint(gitlab.Carried(r, false)); got != "map[Idempotency-Key:1 X-Gitlab-Event:Push Hook]" {
		t.Error(got)
	}
	for _, c := range []signing.Custom{
		{Header: "Authorization", Prefix: "Bearer "},
		{Header: "Cookie"},
		{IDHeader: "authorization", TypeHeader: "Cookie"},
		{Header: "X-Token", Algorithm: "token", TypeHeader: "X-Token"},
		{Signed: "{header:Authorization}{body}"},
		{IDHeader: "Content-Type", TypeHeader: "content-encoding"},
	} {
		s, err := scheme(t, "hmac").Customize(c)
		if err != nil {
			t.Logf("%+v: %v", c, err)
			continue
		}
		r := signing.Request{Header: map[string][]string{}}
		for _, name := range []string{"Authorization", "Cookie", "X-Token", "Content-Type", "Content-Encoding"} {
			r.Header[name] = []string{"canary"}
		}
		if got := s.Carried(r, false); got != nil {
			t.Errorf("%+v: carried %v, want nothing", c, got)
		}
	}
	hubspot := scheme(t, "hubspot")
	if got := hubspot.Carried(signing.Request{Header: map[string][]string{"X-Hubspot-Signature": {strings.Repeat("a",
		64)}}}, false); got != nil {
		t.Errorf("a hash open to length extension is carried: %v", got)
	}
}

func TestCarriedIsBounded(t *testing.T) {
	s := scheme(t, "docusign")
	r := signing.Request{Header: map[string][]string{}}
	for n := range 100 {
		r.Header[fmt.Sprintf("X-Docusign-Signature-%d", n+1)] = []string{strings.Repeat("a", 400)}
	}
	size := 0
	carried := s.Carried(r, false)
	for name, value := range carried {
		size += len(name) + len(value)
	}
	if size > signing.MaxCarried || size < signing.MaxCarried-500 || carried["X-Docusign-Signature-1"] == "" {
		t.Errorf("carried %d bytes, want just under %d: %v", size, signing.MaxCarried,
			slices.Sorted(maps.Keys(carried)))
	}
	github := scheme(t, "github")
	for name, values := range map[string][]string{
		"repeated": {"a", "b"}, "not ASCII": {"\xff"}, "a line": {"a\nb"},
		"overlong": {strings.Repeat("a", signing.MaxCarried)},
	} {
		if got := github.Carried(signing.Request{Header: map[string][]string{"X-Github-Event": values}},
			false); got != nil {
			t.Errorf("%s: carried %v, want nothing", name, got)
		}
	}
}
