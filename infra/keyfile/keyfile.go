// Package keyfile is the Vault of one box: small secrets are sealed under a key in a file that its owner alone can read.
//
// A sealed secret is a version byte, a random nonce of 24 bytes, and AES-256-GCM's ciphertext and tag. The AES key and the 12-byte nonce that
// it is used with are derived (HKDF-SHA-256, RFC 5869) from the file's key, the random nonce, the tenant and the purpose: what was
// sealed for one does not open for another, and no number of seals wears the key out (GCM with random 12-byte nonces alone is
// good for 2^32, NIST SP 800-38D section 8.3).
package keyfile

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"

	"github.com/hookcast/hookcast/tenants"
)

const (
	version   = 1
	keyBytes  = 32
	saltBytes = 24
	maxSecret = 4 << 10
)

// Vault is a tenants.Vault.
type Vault struct{ key []byte }

var _ tenants.Vault = (*Vault)(nil)

// Seal fulfils tenants.Vault. More than 4 KB: kind TooLarge, code secret_too_large.
func (v *Vault) Seal(ctx context.Context, t tenants.TenantID, purpose string, plain []byte) ([]byte, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	if len(plain) > maxSecret {
		return nil, tenants.Errorf(tenants.TooLarge, "secret_too_large", "a secret has at most %d bytes", maxSecret)
	}
	sealed := make([]byte, 1+saltBytes, 1+saltBytes+len(plain)+16)
	sealed[0] = version
	rand.Read(sealed[1:])
	aead, nonce, err := v.derive(t, purpose, sealed[1:])
	if err != nil {
		return nil, err
	}
	return aead.Seal(sealed, nonce, plain, sealed[:1]), nil
}

// Open fulfils tenants.Vault.
func (v *Vault) Open(ctx context.Context, t tenants.TenantID, purpose string, sealed []byte) ([]byte, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	if len(sealed) < 1+saltBytes || sealed[0] != version {
		return nil, errUnsealable()
	}
	aead, nonce, err := v.derive(t, purpose, sealed[1:1+saltBytes])
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nonce, sealed[1+saltBytes:], sealed[:1])
	if err != nil {
		return nil, errUnsealable()
	}
	return plain, nil
}

func (v *Vault) derive(t tenants.TenantID, purpose string, salt []byte) (cipher.AEAD, []byte, error) {
	info := binary.AppendUvarint([]byte("hookcast vault\x00"), uint64(len(t))) // the length parts tenant from purpose
	info = append(info, t...)
	info = append(info, purpose...)
	derived, err := hkdf.Key(sha256.New, v.key, salt, string(info), keyBytes+12)
	if err != nil {
		return nil, nil, broken(err)
	}
	block, err := aes.NewCipher(derived[:keyBytes])
	if err != nil {
		return nil, nil, broken(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, nil, broken(err)
	}
	return aead, derived[keyBytes:], nil
}

func broken(err error) error { return tenants.Errorf(tenants.Internal, "vault_broken", "%w", err) }

func errUnsealable() error {
	return tenants.Errorf(tenants.Internal, "unsealable", "not sealed by this vault for this tenant and purpose")
}

func ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return tenants.Errorf(tenants.Unavailable, "cancelled", "%w", err)
	}
	return nil
}
