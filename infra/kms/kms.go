// Package kms implements the Vault of a deployment on AWS: envelope encryption under a key that never leaves AWS KMS.
//
// KMS generates data keys and returns each in plain form and wrapped under the KMS key. A secret is sealed under a
// data key with AES-256-GCM and contains the wrapped data key. To open it, KMS unwraps the data key, unless that was
// done recently. The encryption context of a data key is {"deployment": name}: KMS unwraps it only for this
// deployment, and CloudTrail records it.
//
// A sealed secret consists of a version byte, the length of the wrapped data key in two bytes (big endian), the
// wrapped data key, GCM's nonce of 12 random bytes, the ciphertext and the tag. GCM's additional data is everything
// before the nonce, the tenant and the purpose.
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
	version    = 2       // version 1 is the format of package keyfile
	headBytes  = 3       // bytes of the version and the length
	maxWrapped = 6144    // bytes of a wrapped data key
	maxSecret  = 4 << 10 // bytes of a secret
)

// Limits on the use of data keys. A process that seals once makes one call to KMS; a process that seals all day makes
// 24.
const (
	sealFor   = time.Hour       // how long one data key seals
	sealTimes = 1 << 16         // how often it seals; GCM with random nonces allows 2^32 (NIST SP 800-38D section 8.3)
	openFor   = 5 * time.Minute // how long an unwrapped data key opens before KMS must unwrap it again
	openKeys  = 1000            // unwrapped data keys that are cached
)

// Vault implements tenants.Vault. It is safe for concurrent use.
type Vault struct {
	client  *kms.Client
	key     string
	context map[string]string
	sealing sealing
	opening opening
}

var _ tenants.Vault = (*Vault)(nil)

// New returns the vault under the KMS key with that id or ARN. An alias must not be used: it may later refer to a
// different key, and earlier secrets would be lost. The first Seal or Open makes the first call to KMS. Throttled
// calls, lost connections and server errors are retried as cfg says.
func New(cfg aws.Config, key, deployment string) *Vault {
	return &Vault{
		client: kms.NewFromConfig(cfg), key: key, context: map[string]string{"deployment": deployment},
		opening: newOpening(),
	}
}

// Seal implements tenants.Vault. If plain is longer than 4 KB, the error has kind TooLarge and code secret_too_large.
// Open describes the errors of KMS.
func (v *Vault) Seal(ctx context.Context, t tenants.TenantID, purpose string, plain []byte) ([]byte, error) {
	if len(plain) > maxSecret {
		return nil, tenants.Errorf(tenants.TooLarge, "secret_too_large", "a secret must have at most %d bytes",
			maxSecret)
	}
	if ctx.Err() != nil {
		return nil, cancelled(ctx)
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

// Open implements tenants.Vault. The error has kind Unavailable if KMS cannot be reached or throttles calls, or if
// the credentials have expired. It has kind Internal and code vault_key_unusable if the KMS key is disabled or
// scheduled for deletion; that takes effect within five minutes. It has kind Internal and code vault_refused if KMS
// refuses the call for another reason.
func (v *Vault) Open(ctx context.Context, t tenants.TenantID, purpose string, sealed []byte) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, cancelled(ctx)
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

// cut returns the part of sealed before the nonce, and the wrapped data key within it.
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

// binding returns GCM's additional data. Lengths separate the head, the tenant and the purpose.
func binding(head []byte, t tenants.TenantID, purpose string) []byte {
	b := make([]byte, 0, len(head)+len(t)+len(purpose)+2*binary.MaxVarintLen32)
	b = append(b, head...) // contains its own length
	b = binary.AppendUvarint(b, uint64(len(t)))
	b = append(b, t...)
	b = binary.AppendUvarint(b, uint64(len(purpose)))
	return append(b, purpose...)
}

// dataKey is a key that secrets are sealed under.
type dataKey struct {
	aead    cipher.AEAD
	wrapped []byte
}
