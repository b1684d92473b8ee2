// Package keyfile implements tenants.Vault for a single machine. It seals small secrets under a key in a file that
// only its owner can read.
//
// A sealed secret consists of a version byte, a random nonce of 24 bytes, and the ciphertext and tag of AES-256-GCM.
// The AES key and its 12-byte nonce are derived with HKDF-SHA-256 (RFC 5869) from the file's key, the random nonce,
// the tenant and the purpose. A secret therefore opens only for the tenant and purpose that it was sealed for, and
// the number of seals is not limited (GCM with random 12-byte nonces alone allows 2^32, NIST SP 800-38D section 8.3).
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
	version   = 1       // version 2 is the format of package kms
	keyBytes  = 32      // bytes of the file's key and of the derived key
	saltBytes = 24      // bytes of the random nonce
	maxSecret = 4 << 10 // bytes of a secret
)

// Vault implements tenants.Vault. It is safe for concurrent use.
type Vault struct{ key []byte }

var _ tenants.Vault = (*Vault)(nil)

// Seal implements tenants.Vault. If plain is longer than 4 KB, the error has kind TooLarge and code secret_too_large.
func (v *Vault) Seal(ctx context.Context, t tenants.TenantID, purpose string, plain []byte) ([]byte, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	if len(plain) > maxSecret {
		return nil, tenants.Errorf(tenants.TooLarge, "secret_too_large", "a secret must have at most %d bytes",
			maxSecret)
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

// Open implements tenants.Vault.
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

// derive returns the cipher and the nonce for a secret with the salt.
func (v *Vault) derive(t tenants.TenantID, purpose string, salt []byte) (cipher.AEAD, []byte, error) {
	// the length separates tenant and purpose
	info := binary.AppendUvarint([]byte("hookcast vault\x00"), uint64(len(t)))
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
	return tenants.Errorf(tenants.Internal, "unsealable",
		"the secret was not sealed by this vault for this tenant and purpose")
}

func ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return tenants.Errorf(tenants.Unavailable, "cancelled", "%w", err)
	}
	return nil
}
