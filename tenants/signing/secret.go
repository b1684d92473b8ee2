package signing

import (
	"crypto"
	"fmt"
	"io"
	"log/slog"
)

// Secret is the key of one source. However it is printed, logged or encoded it shows as "[secret]". The zero Secret is
// empty: it never verifies and never signs.
type Secret struct {
	// A function, because fmt calls no method on an unexported field of somebody's struct, nor under a verb that does
	// not fit: it then prints the fields and follows a pointer, but of a function it has only the address.
	key func() material
}

// material is what a secret's text was read as.
type material struct {
	kind    int              // 0: a key of Scheme.Mark, 1: one of Scheme.Also
	raw     []byte           // the key of a MAC, a token, or a text that is signed along
	public  crypto.PublicKey // of an asymmetric algorithm
	private crypto.Signer    // only from Signer
}

const redacted = "[secret]"

// IsZero says whether the secret is empty.
func (s Secret) IsZero() bool { return s.key == nil }

// Weak says whether the key has fewer than 16 bytes, so that one captured request is enough to guess it offline. Such a
// secret works; its owner should hear of it.
func (s Secret) Weak() bool {
	return s.key == nil || s.key().public == nil && len(s.key().raw) < 16
}

func (s Secret) material() material { return s.key() }

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
