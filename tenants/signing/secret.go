package signing

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Secret is the key of one source. However it is printed, logged or encoded it shows as "[secret]". The zero Secret is
// empty: it never verifies and never signs.
type Secret struct {
	// A function, because fmt calls no method on an unexported field of somebody's struct, nor under a verb that does
	// not fit: it then prints the fields and follows a pointer, but of a function it has only the address.
	key func() []byte
}

const redacted = "[secret]"

// IsZero says whether the secret is empty.
func (s Secret) IsZero() bool { return s.key == nil }

// Weak says whether the key has fewer than 16 bytes, so that one captured request is enough to guess it offline. Such a
// secret works; its owner should hear of it.
func (s Secret) Weak() bool { return s.key == nil || len(s.key()) < 16 }

func (s Secret) bytes() []byte { return s.key() }

// String hides the secret.
func (s Secret) String() string { return redacted }

// GoString hides the secret.
func (s Secret) GoString() string { return redacted }

// Format hides the secret under every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue hides the secret.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText hides the secret. Keep the text that ParseSecret takes where the secret is to be stored.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

func hasKey(secrets []Secret) bool {
	for _, s := range secrets {
		if !s.IsZero() {
			return true
		}
	}
	return false
}

// pasted are beginnings of a signature, not of a secret.
const pasted = "v1, v1a, v1= v0= t= sha256= sha1= sha512="

// ParseSecret reads a secret as the tenant has it from the provider, and refuses what cannot be one, rather than let
// every request fail later. The error is an [*Error] whose detail says what to do and does not repeat the text.
func (s Scheme) ParseSecret(text string) (Secret, error) {
	if s.None() {
		return Secret{}, fail(BadSecret, "the scheme "+s.Name+" takes no secret")
	}
	if err := s.known(); err != nil {
		return Secret{}, err
	}
	if reason := s.Key.refuse(text); reason != "" {
		return Secret{}, fail(BadSecret, reason)
	}
	b, reason := s.Key.decode(text)
	if reason != "" {
		return Secret{}, fail(BadSecret, reason)
	}
	if len(b) == 0 || len(b) < s.Key.Min {
		return Secret{}, fail(BadSecret, "the secret is too short: "+s.Key.bounds())
	}
	if len(b) > s.Key.Max {
		return Secret{}, fail(BadSecret, "the secret is too long: "+s.Key.bounds())
	}
	return Secret{func() []byte { return b }}, nil
}

// refuse looks at the text alone.
func (k Key) refuse(text string) string {
	switch {
	case text == "":
		return "the secret is empty"
	case strings.TrimSpace(text) == "":
		return "the secret is only white space"
	case strings.TrimSpace(text) != text:
		return "the secret begins or ends with white space, which is not part of it"
	case !utf8.ValidString(text):
		return "the secret is not valid UTF-8"
	}
	for _, c := range text {
		if !unicode.IsPrint(c) {
			return "the secret holds an invisible or control character, which is not part of it"
		}
	}
	for _, p := range strings.Fields(pasted) {
		if strings.HasPrefix(text, p) {
			return `"` + p + `" begins a signature, not a secret: leave it out`
		}
	}
	for _, p := range strings.Fields(k.Mistaken) {
		if strings.HasPrefix(text, p) {
			return `"` + p + `" begins something else of this provider, not a webhook's signing secret`
		}
	}
	return ""
}

// decode gives the key's bytes, or why there are none.
func (k Key) decode(text string) ([]byte, string) {
	if k.Encoding == Text {
		if text == k.Prefix {
			return nil, "there is nothing after " + k.Prefix
		}
		return []byte(text), ""
	}
	digits := strings.TrimPrefix(text, k.Prefix)
	if digits == "" {
		return nil, "there is nothing after " + k.Prefix
	}
	if k.Encoding == Hex {
		b, err := hex.DecodeString(digits)
		if err != nil {
			return nil, "the secret must be whole bytes in hex"
		}
		return b, ""
	}
	b, err := base64.StdEncoding.Strict().DecodeString(digits)
	switch {
	case err == nil:
		return b, ""
	case len(digits)%4 != 0 && !strings.Contains(digits, "="):
		return nil, "the secret must be base64 with its padding; some of it is missing"
	case strings.ContainsAny(digits, "-_"):
		return nil, "the secret must be base64 of the standard alphabet (+ and /, not - and _)"
	}
	return nil, "the secret must be valid base64"
}

func (k Key) bounds() string {
	return strconv.Itoa(k.Min) + " to " + strconv.Itoa(k.Max) + " bytes"
}

// NewSecret makes a secret of 32 random bytes in the scheme's format, for a source whose secret is the tenant's to choose
// (Key.Ours) and for requests to a source of one's own. It is empty for the scheme "none" and where random ran dry.
func (s Scheme) NewSecret(random io.Reader) (text string) {
	var b [32]byte
	if s.None() || s.known() != nil {
		return ""
	}
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return ""
	}
	if s.Key.Encoding == Base64 {
		return s.Key.Prefix + base64.StdEncoding.EncodeToString(b[:])
	}
	return s.Key.Prefix + hex.EncodeToString(b[:])
}
