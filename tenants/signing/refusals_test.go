package signing_test

import (
	"encoding/hex"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/tenants/signing"
)

// A signed id must not contain the dot that separates it from the timestamp: id "msg.1700000000" with body "1.x" and
// id "msg" with body "1700000000.1.x" would have one signature.
func TestBytesMovedFromBodyToSignedIDAreRefused(t *testing.T) {
	s := scheme(t, "standard-webhooks")
	honest := signed(t, s, "1700000000.rest")
	moved := signing.Request{Body: []byte("rest"), Header: map[string][]string{
		"Webhook-Id":        {"msg_1.1700000000"},
		"Webhook-Timestamp": {"1700000000"},
		sw:                  honest.Header[sw],
	}}
	if got := verify(t, s, honest, signing.Options{}); got != "" {
		t.Fatalf("the honest request is refused: %s", got)
	}
	if got := verify(t, s, moved, signing.Options{}); got != signing.DeliveryIDMissing {
		t.Errorf("got %q, want %q", got, signing.DeliveryIDMissing)
	}
}

func TestSignatureUnderAnyOfManySecretsIsAcceptedAndSaysWhich(t *testing.T) {
	s := scheme(t, "stripe")
	r := signed(t, s, "{}")
	good, other := secret(t, s, 0), secret(t, s, 1)
	for name, c := range map[string]struct {
		secrets []signing.Secret
		want    int
	}{
		"only":            {[]signing.Secret{good}, 0},
		"first":           {[]signing.Secret{good, other}, 0},
		"last":            {[]signing.Secret{other, other, good}, 2},
		"twice":           {[]signing.Secret{other, good, good}, 1},
		"after empty one": {[]signing.Secret{{}, good}, 1},
	} {
		v, err := s.Verify(r, c.secrets, clock, signing.Options{})
		if err != nil || v.Secret != c.want {
			t.Errorf("%s: got secret %d, %v; want %d", name, v.Secret, err, c.want)
		}
	}
}

func TestNoSecretOrOnlyEmptyOnesIsNoSecret(t *testing.T) {
	for _, p := range signing.Players(t, 0) {
		if p.None() {
			continue
		}
		r := p.Compose(t, []byte("{}"), "msg_1")
		for _, secrets := range [][]signing.Secret{nil, {}, {{}}, {{}, {}}} {
			o := p.Options
			o.AllowLegacy = true
			if _, err := p.Verify(r, secrets, clock, o); code(t, err) != signing.NoSecret {
				t.Errorf("%s with %d secrets: %v, want %s", p.Name, len(secrets), err, signing.NoSecret)
			}
		}
		if _, err := p.Sign(signing.Secret{}, r, "id", clock); code(t, err) != signing.NoSecret {
			t.Errorf("%s signs with an empty secret: %v, want %s", p.Name, err, signing.NoSecret)
		}
	}
}

func TestUnknownSchemeRefusesEverything(t *testing.T) {
	s, found := signing.Lookup("GitHub ")
	if found {
		t.Fatal("Lookup found a scheme that does not exist")
	}
	bent := scheme(t, "github")
	bent.Mark.Algorithm = "hmac-md5"
	for _, s := range []signing.Scheme{s, bent} {
		r := signing.Request{Header: map[string][]string{hub: {"sha256="}}}
		if _, err := s.Verify(r, []signing.Secret{secret(t, scheme(t, "github"), 0)}, clock, signing.Options{}); code(t,
			err) != signing.UnknownScheme {
			t.Errorf("Verify: %v, want %s", err, signing.UnknownScheme)
		}
		if _, err := s.ParseSecret("a secret that is long enough"); code(t, err) != signing.UnknownScheme {
			t.Errorf("ParseSecret: %v, want %s", err, signing.UnknownScheme)
		}
		if _, err := s.Sign(secret(t, scheme(t, "github"), 0), r, "", clock); code(t, err) != signing.UnknownScheme {
			t.Errorf("Sign: %v, want %s", err, signing.UnknownScheme)
		}
	}
}

func TestLegacySignatureIsRefusedUnlessTheSourceOptedIn(t *testing.T) {
	s := scheme(t, "github")
	old := s
	old.Mark = s.Legacy[0]
	r := signed(t, old, "{}")
	r.Header["X-Github-Delivery"] = []string{"d1"}
	if got := verify(t, s, r, signing.Options{}); got != signing.LegacySignature {
		t.Errorf("by default: got %q, want %q", got, signing.LegacySignature)
	}
	if got := verify(t, s, r, signing.Options{AllowLegacy: true}); got != "" {
		t.Errorf("opted in: got %q, want accepted", got)
	}
	good := r.Header["X-Hub-Signature"][0]
	for name, c := range map[string]struct {
		header map[string][]string
		want   string
	}{
		"next to a wrong current one": {map[string][]string{hub: {"sha256=" + zeros(64)}, "X-Hub-Signature": {good}},
			signing.SignatureMismatch},
		"next to an empty current one": {map[string][]string{hub: {""}, "X-Hub-Signature": {good}},
			signing.SignatureMissing},
		"under md5": {map[string][]string{"X-Hub-Signature": {"md5=" + zeros(32)}},
			signing.SignatureMalformed},
		"sha256 in the old header": {map[string][]string{"X-Hub-Signature": {"sha256=" + zeros(64)}},
			signing.SignatureMalformed},
		"sha1's bytes called sha512": {map[string][]string{"X-Hub-Signature": {"sha512=" + good[5:]}},
			signing.SignatureMalformed},
		"twice": {map[string][]string{"X-Hub-Signature": {good, good}},
			signing.SignatureDuplicate},
		"joined by a comma": {map[string][]string{"X-Hub-Signature": {good + "," + good}},
			signing.SignatureDuplicate},
		"empty":                        {map[string][]string{"X-Hub-Signature": {""}}, signing.SignatureMalformed},
		"no signature header anywhere": {map[string][]string{}, signing.SignatureMissing},
	} {
		if got := verify(t, s, signing.Request{Header: c.header, Body: r.Body},
			signing.Options{AllowLegacy: true}); got != c.want {
			t.Errorf("opted in, %s: got %q, want %q", name, got, c.want)
		}
	}
}

// Every refusal in the table above is searched for secrets and signatures.
func TestNoRefusalShowsSecretOrExpectedSignature(t *testing.T) {
	for _, a := range attacks {
		s := scheme(t, a.scheme)
		r := signed(t, s, "{\"n\": 1,\n \"id\": \"evt_1\"}")
		h := http.Header(maps.Clone(r.Header))
		a.change(h, &r)
		r.Header = h
		_, err := s.Verify(r, []signing.Secret{secret(t, s, 0)}, clock, signing.Options{})
		if err == nil {
			continue
		}
		right, signErr := s.Sign(secret(t, s, 0), r, "msg_1", clock)
		if signErr != nil {
			t.Fatal(signErr)
		}
		mac := right[s.Mark.Header][0]
		mac = mac[strings.Index(mac, s.Mark.Prefix)+len(s.Mark.Prefix):]
		text := strings.ToLower(err.Error())
		for _, hidden := range []string{mac, mac[:8], secretText(s, 0)[6:],
			hex.EncodeToString([]byte(secretText(s, 0)))} {
			if strings.Contains(text, strings.ToLower(hidden)) {
				t.Errorf("%s %s: the error contains a secret or a signature", a.scheme, a.name)
			}
		}
	}
}

func TestVerifyLeavesTheRequestAsItWas(t *testing.T) {
	for _, p := range signing.Players(t, 0) {
		r := p.Compose(t, []byte(`{"id":"evt_1","type":"x"}`), "msg_1")
		header, body := maps.Clone(r.Header), string(r.Body)
		if _, err := p.Verify(r, []signing.Secret{p.Verifier}, clock, p.Options); err != nil {
			t.Fatalf("%s: %v", p.Name, err)
		}
		if string(r.Body) != body || !maps.EqualFunc(header, r.Header, slices.Equal) {
			t.Errorf("%s: the request was changed", p.Name)
		}
	}
}
