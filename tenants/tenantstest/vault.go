package tenantstest

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"

	"github.com/hookcast/hookcast/tenants"
)

const MaxSecret = 4 << 10

// Vault is a tenants.Vault with a key in memory.
type Vault struct{ aead cipher.AEAD }

var _ tenants.Vault = (*Vault)(nil)

// NewVault returns a Vault with a new key.
func NewVault() *Vault {
	key := make([]byte, 32)
	rand.Read(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return &Vault{aead}
}

// Seal implements tenants.Vault.
func (v *Vault) Seal(ctx context.Context, t tenants.TenantID, purpose string, plain []byte) ([]byte, error) {
	if len(plain) > MaxSecret {
		breach("a secret of %d bytes", len(plain))
	}
	if err := ended(ctx); err != nil {
		return nil, err
	}
	return v.aead.Seal(nil, nil, plain, binding(t, purpose)), nil
}

// Open implements tenants.Vault.
func (v *Vault) Open(ctx context.Context, t tenants.TenantID, purpose string, sealed []byte) ([]byte, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	plain, err := v.aead.Open(nil, nil, sealed, binding(t, purpose))
	if err != nil {
		return nil, tenants.Errorf(tenants.Internal, "unsealable",
			"the secret must be opened with the tenant and purpose that it was sealed for")
	}
	return plain, nil
}

func binding(t tenants.TenantID, purpose string) []byte {
	b := binary.AppendUvarint(nil, uint64(len(t)))
	b = append(b, t...)
	return append(b, purpose...)
}
