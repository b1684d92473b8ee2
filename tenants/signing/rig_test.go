package signing_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants/signing"
)

var clock = time.Unix(1_700_000_000, 0)

// scheme returns the row of that name.
func scheme(t testing.TB, name string) signing.Scheme {
	t.Helper()
	s, ok := signing.Lookup(name)
	if !ok {
		t.Fatalf("there is no scheme %q", name)
	}
	return s
}

// secretText returns a secret that fits a row, a different one for each n.
func secretText(s signing.Scheme, n byte) string {
	return s.NewSecret(strings.NewReader(strings.Repeat(string('A'+rune(n)), 32)))
}

func secret(t testing.TB, s signing.Scheme, n byte) signing.Secret {
	t.Helper()
	if s.None() {
		return signing.Secret{}
	}
	key, err := s.ParseSecret(secretText(s, n))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// signed returns a request that verifies at clock under secret 0.
func signed(t testing.TB, s signing.Scheme, body string) signing.Request {
	t.Helper()
	r := signing.Request{Method: "POST", URL: "https://in.example/in/abc", Body: []byte(body)}
	h, err := s.Sign(secret(t, s, 0), r, "msg_1", clock)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = h
	return r
}

// code returns the code of a refusal, "" for nil.
func code(t testing.TB, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var e *signing.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a *signing.Error", err)
	}
	return e.Code
}

func verify(t testing.TB, s signing.Scheme, r signing.Request, o signing.Options) string {
	t.Helper()
	_, err := s.Verify(r, []signing.Secret{secret(t, s, 0)}, clock, o)
	return code(t, err)
}
