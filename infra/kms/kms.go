// Package kms is the Vault of a deployment on AWS: envelope encryption under a key that never leaves AWS KMS.
//
// KMS makes data keys, each in clear and wrapped under the KMS key. A secret is sealed under a data key with AES-256-GCM, and carries the
// wrapped data key along; who wants to open it has KMS unwrap that, unless it did so lately. The encryption context of a data key
// is {"deployment": name}: KMS unwraps it for this deployment alone, and says so in CloudTrail.
//
// A sealed secret is a version byte, the length of the wrapped data key in two bytes (big endian), the wrapped data key, GCM's nonce of
// 12 random bytes, the ciphertext and the tag. All that stands before the nonce, the tenant and the purpose are GCM's additional data.
//
// https://docs.aws.amazon.com/kms/latest/developerguide/kms-cryptography.html#enveloping
package kms

import (
	"context"
	"crypto/cipher"
	"encoding/binary"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/hookcast/hookcast/tenants"
)

const (
	version    = 2 // 1 is the key file's
	headBytes  = 3 // version and length
	maxWrapped = 6144
	maxSecret  = 4 << 10
)

// How long data keys are used. A process that seals once costs one call to KMS, one that seals all day 24.
const (
	sealFor   = time.Hour       // one data key is sealed under for so long
	sealTimes = 1 << 16         // and so often: GCM with random nonces is good for 2^32 (NIST SP 800-38D section 8.3)
	openFor   = 5 * time.Minute // a data key unwrapped once opens for so long; then KMS is asked whether it still may
	openKeys  = 1000            // and so many of them are kept
)

// Vault is a tenants.Vault.
type Vault struct {
	client  *kms.Client
	key     string
	context map[string]string
	sealing sealing
	opening opening
}

var _ tenants.Vault = (*Vault)(nil)

// New returns the vault under the KMS key of that id or ARN (an alias may come to mean another key, and what was sealed before would be
// lost). KMS is first asked when something is sealed or opened. Throttled calls, lost connections and the server's own errors
// are tried again as cfg says.
func New(cfg aws.Config, key, deployment string) *Vault {
	return &Vault{
		client: kms.NewFromConfig(cfg), key: key, context: map[string]string{"deployment": deployment},
		opening: newOpening(),
	}
}

// Seal fulfils tenants.Vault. More than 4 KB: kind TooLarge, code secret_too_large. Errors of KMS's are described at Open.
func (v *Vault) Seal(ctx context.Context, t tenants.TenantID, purpose string, plain []byte) ([]byte, error) {
	if len(plain) > maxSecret {
		return nil, tenants.Errorf(tenants.TooLarge, "secret_too_large", "a secret has at most %d bytes", maxSecret)
	}
	if ctx.Err() != nil {
		return nil, ended(ctx)
	}
	key, err := v.sealingKey(ctx)
	if err != nil {
		return nil, err
	}
	sealed := make([]byte, headBytes, headBytes+len(key.wrapped)+len(plain)+key.aead.Overhead())
	sealed[0] = version
	binary.BigEndian.PutUint16(sealed[1:], uint16(len(key.wrapped)))
	sealed = append(sealed, key.wrapped...)
	return key.aead.Seal(sealed, nil, plain, binding(sealed, t, purpose)), nil
}

// Open fulfils tenants.Vault. KMS out of reach, throttling, or its credentials expired: kind Unavailable. A KMS key that is disabled or to be
// deleted: kind Internal, code vault_key_unusable, five minutes after the fact at the latest. Refused otherwise: kind
// Internal, code vault_refused.
func (v *Vault) Open(ctx context.Context, t tenants.TenantID, purpose string, sealed []byte) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, ended(ctx)
	}
	head, wrapped, ok := cut(sealed)
	if !ok {
		return nil, errUnsealable(nil)
	}
	aead, err := v.openingKey(ctx, wrapped)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nil, sealed[len(head):], binding(head, t, purpose))
	if err != nil {
		return nil, errUnsealable(nil)
	}
	return plain, nil
}

// cut returns what stands before the nonce, and the wrapped data key in it.
func cut(sealed []byte) (head, wrapped []byte, ok bool) {
	if len(sealed) < headBytes || sealed[0] != version {
		return nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(sealed[1:]))
	if n < 1 || n > maxWrapped || len(sealed) < headBytes+n {
		return nil, nil, false
	}
	return sealed[:headBytes+n], sealed[headBytes : headBytes+n], true
}

// binding is GCM's additional data. Lengths part the head, the tenant and the purpose from each other.
func binding(head []byte, t tenants.TenantID, purpose string) []byte {
	b := make([]byte, 0, len(head)+len(t)+len(purpose)+2*binary.MaxVarintLen32)
	b = append(b, head...) // says how long it is
	b = binary.AppendUvarint(b, uint64(len(t)))
	b = append(b, t...)
	b = binary.AppendUvarint(b, uint64(len(purpose)))
	return append(b, purpose...)
}

// dataKey is one that secrets are sealed under.
type dataKey struct {
	aead    cipher.AEAD
	wrapped []byte
}
