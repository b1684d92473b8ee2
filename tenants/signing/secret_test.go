package signing_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/tenants/signing"
)

func TestSecretThatCannotBeOneIsRefusedWithTheReason(t *testing.T) {
	key := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xfb, 7}, 16)) // ends with "="
	for _, c := range []struct{ name, scheme, text, reason string }{
		{"empty", "github", "", "empty"},
		{"white space", "github", " \t ", "consists of white space"},
		{"white space before", "github", " 0123456789", "white space"},
		{"newline after", "github", "0123456789\n", "white space"},
		{"newline inside", "github", "01234\n56789", "control character"},
		{"zero-width space inside", "github", "01234\u200b56789", "invisible"},
		{"broken UTF-8", "github", "01234\xff56789", "UTF-8"},
		{"pasted signature", "github", "sha256=0123456789abcdef", `"sha256="`},
		{"pasted version", "slack", "v0=0123456789abcdef", `"v0="`},
		{"too short", "github", "12345", "too short: 6 to 512 bytes"},
		{"too long", "github", strings.Repeat("x", 513), "too long: 6 to 512 bytes"},
		{"an access token", "github", "ghp_0123456789", "another credential"},
		{"an API key", "stripe", "sk_live_0123456789", "another credential"},
		{"nothing after the prefix", "stripe", "whsec_", "empty after whsec_"},
		{"a bot token", "slack", "xoxb-0123456789", "another credential"},
		{"nothing after the prefix", "svix", "whsec_", "empty after whsec_"},
		{"pasted version", "svix", "v1,whsec_" + key, `"v1,"`},
		{"a private key", "standard-webhooks", "whsk_" + key, "another credential"},
		{"a public key of 33 bytes", "standard-webhooks", "whpk_" + base64.StdEncoding.EncodeToString(make([]byte, 33)),
			"too long: 32 to 32 bytes"},
		{"without padding", "standard-webhooks", "whsec_" + strings.TrimRight(key, "="), "padding"},
		{"base64 of the URL alphabet", "standard-webhooks", "whsec_" + strings.ReplaceAll(key, "+", "-"), "alphabet"},
		{"not base64", "standard-webhooks", "whsec_!!!!", "valid base64"},
		{"loose trailing bits", "standard-webhooks", "whsec_" + strings.Repeat("A", 42) + "B=", "valid base64"},
		{"23 bytes", "standard-webhooks", "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 23)),
			"too short: 24 to 64 bytes"},
		{"65 bytes", "standard-webhooks", "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 65)), "too long"},
		{"76 bytes", "svix", base64.StdEncoding.EncodeToString(make([]byte, 76)), "too long"},
		{"a personal token", "gitlab", "glpat-0123456789", "another credential"},
		{"a signing token", "gitlab", "whsec_" + key, "another credential"},
		{"no hex", "discord", strings.Repeat("zz", 32), "even number of digits"},
		{"31 bytes", "discord", strings.Repeat("00", 31), "too short: 32 to 32 bytes"},
		{"33 bytes", "discord", strings.Repeat("00", 33), "too long"},
		{"an odd digit", "discord", strings.Repeat("0", 63), "even number of digits"},
		{"an API key", "sendgrid", "SG.0123456789", "another credential"},
		{"no key", "sendgrid", base64.StdEncoding.EncodeToString(make([]byte, 91)), "public key"},
		{"a key of RSA", "sendgrid", publicKey(t, "rsa"), "too long"},
		{"a key of Ed25519 in PEM", "sendgrid", publicKey(t, "pem"), "another type or size"},
		{"a private key in PEM", "sendgrid", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
			"one public key"},
		{"text after the PEM", "sendgrid", publicKey(t, "pem") + "x", "one public key"},
		{"broken PEM", "sendgrid", "-----BEGIN PUBLIC KEY-----", "one public key"},
		{"an event's id", "paypal", "WH-2WR32451HC0233532-67976317FL4543714", "another credential"},
		{"an account's SID", "twilio", "AC" + strings.Repeat("0", 32), "another credential"},
		{"half a token", "twilio", strings.Repeat("0", 16), "too short"},
		{"no hex", "adyen", "not-hex-at-all-0123456789", "even number of digits"},
		{"an API key", "adyen", "AQE0123456789abcdef", "another credential"},
		{"a pasted signature", "paddle", "h1=0123456789abcdef", `"h1="`},
		{"a notification setting's id", "paddle", "ntfset_01hsdn8d43dt7mezr1ef2jtbaw", "another credential"},
		{"any secret where none is taken", "none", "0123456789", "takes no secret"},
	} {
		secret, err := scheme(t, c.scheme).ParseSecret(c.text)
		if got := code(t, err); got != signing.BadSecret || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%s, %s: %v, want a reason with %q", c.scheme, c.name, err, c.reason)
		}
		if !secret.IsZero() {
			t.Errorf("%s, %s: refused, but a secret was returned", c.scheme, c.name)
		}
		if err != nil && len(c.text) > 12 && strings.Contains(err.Error(), c.text[len(c.text)-8:]) {
			t.Errorf("%s, %s: the error repeats the text", c.scheme, c.name)
		}
	}
}

// publicKey returns a key that is not an ECDSA key.
func publicKey(t *testing.T, form string) string {
	t.Helper()
	public := any(ed25519.NewKeyFromSeed(make([]byte, 32)).Public())
	if form == "rsa" {
		key, err := rsa.GenerateKey(rand.Reader, 1024)
		if err != nil {
			t.Fatal(err)
		}
		public = &key.PublicKey
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	if form == "pem" {
		return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	}
	return base64.StdEncoding.EncodeToString(der)
}

func TestPublicKeyInPEMIsTaken(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	for _, text := range []string{text, strings.TrimSpace(text), strings.ReplaceAll(text, "\n", "\r\n")} {
		secret, err := scheme(t, "sendgrid").ParseSecret(text)
		if err != nil || secret.Weak() {
			t.Errorf("error %v, weak %v; want neither", err, secret.Weak())
		}
	}
}

func TestSecretThatAProviderGivesIsTaken(t *testing.T) {
	key := base64.StdEncoding.EncodeToString(make([]byte, 24))
	for name, texts := range map[string][]string{
		"github":            {"It's a Secret to Everybody", "schlüssel", strings.Repeat("x", 512)},
		"stripe":            {"whsec_0123456789abcdef"},
		"standard-webhooks": {"whsec_" + key, key},
		"svix":              {"whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 75))},
	} {
		for _, text := range texts {
			if _, err := scheme(t, name).ParseSecret(text); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestShortSecretIsTakenAndCalledWeak(t *testing.T) {
	s := scheme(t, "github")
	for text, weak := range map[string]bool{"secret": true, strings.Repeat("x", 15): true,
		strings.Repeat("x", 16): false} {
		secret, err := s.ParseSecret(text)
		if err != nil || secret.Weak() != weak {
			t.Errorf("%d bytes: weak %v, error %v; want weak %v", len(text), secret.Weak(), err, weak)
		}
	}
	if !(signing.Secret{}).Weak() {
		t.Error("the empty secret is not reported as weak")
	}
}

func TestSecretShowsNowhere(t *testing.T) {
	const text = "canary-0123456789"
	secret, err := scheme(t, "github").ParseSecret(text)
	if err != nil {
		t.Fatal(err)
	}
	type holder struct {
		Name   string
		Public signing.Secret
		hidden signing.Secret // fmt cannot call its methods
		list   []signing.Secret
	}
	values := []any{secret, &secret, []signing.Secret{secret}, map[string]signing.Secret{"a": secret},
		holder{"x", secret, secret, []signing.Secret{secret}}, &holder{"x", secret, secret, nil},
		errors.Join(fmt.Errorf("%v", secret))}
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	plain := slog.New(slog.NewTextHandler(&out, nil))
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%b", "%o", "%c", "%U",
			"%p", "%t", "%T"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		fmt.Fprintln(&out, v)
		log.Info("x", "v", v)
		plain.Info("x", "v", v)
		if b, err := json.Marshal(v); err == nil {
			out.Write(b)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t"} {
		if got := fmt.Sprintf(verb, secret); got != "[secret]" {
			t.Errorf("%s prints %q, want [secret]", verb, got)
		}
	}
	fmt.Fprintln(&out, secret.String(), secret.GoString(), secret.LogValue())
	shown := out.String()
	for _, form := range []string{text, "canary", fmt.Sprintf("%x", text), fmt.Sprintf("%X", text),
		"99 97 110 97 114 121", "0x63, 0x61, 0x6e", "63 61 6e", base64.StdEncoding.EncodeToString([]byte(text))} {
		if strings.Contains(shown, form) {
			t.Errorf("the output contains the secret as %q", form)
		}
	}
	if !strings.Contains(shown, "[secret]") {
		t.Error("the output does not contain [secret]")
	}
}

func TestNewSecretIsOneThatItsSchemeTakes(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range signing.Schemes() {
		text := s.NewSecret(rand.Reader)
		if s.None() || s.Mark.Algorithm.Public() && s.Certificate == (signing.Pin{}) {
			if text != "" || s.Key.Ours {
				t.Errorf("%s: NewSecret returned a secret, want none", s.Name)
			}
			continue
		}
		secret, err := s.ParseSecret(text)
		if err != nil || secret.Weak() || !strings.HasPrefix(text, s.Key.Prefix) || seen[text] {
			t.Errorf("%s: error %v, weak %v; want a new strong secret with the prefix %q", s.Name, err, secret.Weak(),
				s.Key.Prefix)
		}
		seen[text] = true
	}
}

func TestNewSecretWithoutRandomnessIsEmpty(t *testing.T) {
	if text := scheme(t, "github").NewSecret(io.LimitReader(rand.Reader, 31)); text != "" {
		t.Error("got a secret from too few random bytes, want none")
	}
}
