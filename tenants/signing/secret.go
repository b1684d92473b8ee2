package signing

import (
	"crypto"
	"fmt"
	"io"
	"log/slog"
)

// Secret is a key of one source. It prints, logs and marshals as "[secret]". The zero Secret is empty: it never
// verifies and never signs.
type Secret struct {
	// A function, because fmt calls no method of an unexported field, nor under a verb that does not fit: it would
	// print the fields of a struct and follow a pointer, but prints only the address of a function.
	key func() material
}

// material is a parsed secret.
type material struct {
	kind    int              // 0 for a key of Scheme.Mark, 1 for one of Scheme.Also
	raw     []byte           // the key of a MAC, a token, or a text that is part of the message
	public  crypto.PublicKey // for an asymmetric algorithm
	private crypto.Signer    // set by Signer only
}

const redacted = "[secret]"

// IsZero reports whether the secret is empty.
func (s Secret) IsZero() bool { return s.key == nil }

// Weak reports whether the key is shorter than 16 bytes, so that it could be guessed offline from one captured
// request. Such a secret works, but its owner should be told.
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

// MarshalText hides the secret. To store a secret, keep the text passed to ParseSecret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

func hasKey(secrets []Secret) bool {
	for _, s := range secrets {
		if !s.IsZero() {
			return true
		}
	}
	return false
}
