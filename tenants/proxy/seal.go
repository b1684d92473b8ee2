package proxy

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
)

// secretRequest is the secret part of a proxy: the request as its tenant wrote it, with placeholders. Its JSON is
// sealed.
type secretRequest struct {
	URL     string
	Headers map[string]string
	Body    []byte // nil: none
}

// seal puts r into p. A Vault seals at most 4 KB, so it seals a key, and the key encrypts the request by AES-256-GCM,
// for this proxy only.
func (s *Proxies) seal(ctx context.Context, p *Proxy, r secretRequest) error {
	key := make([]byte, 32)
	rand.Read(key)
	sealer, err := newSealer(key)
	if err != nil {
		return err
	}
	if p.Key, err = s.vault.Seal(ctx, p.Tenant, p.purpose(), key); err != nil {
		return err
	}
	p.Sealed = sealer.Seal(nil, nil, record.Encode(r), p.owner())
	return nil
}

func (s *Proxies) unseal(ctx context.Context, p Proxy) (r secretRequest, err error) {
	key, err := s.vault.Open(ctx, p.Tenant, p.purpose(), p.Key)
	if err != nil {
		return r, err
	}
	sealer, err := newSealer(key)
	if err != nil {
		return r, err
	}
	b, err := sealer.Open(nil, nil, p.Sealed, p.owner())
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err != nil {
		return secretRequest{}, tenants.Errorf(tenants.Internal, "unsealable",
			"the request of a proxy could not be decrypted")
	}
	return r, nil
}

// newSealer returns an AEAD that writes a random nonce before the ciphertext.
func newSealer(key []byte) (sealer cipher.AEAD, err error) {
	block, err := aes.NewCipher(key)
	if err == nil {
		sealer, err = cipher.NewGCMWithRandomNonce(block)
	}
	if err != nil {
		return nil, tenants.Errorf(tenants.Internal, "unsealable", "%w", err)
	}
	return sealer, nil
}

func (p Proxy) purpose() string { return "proxy/" + p.ID }

// owner returns the additional data that binds the request to its proxy.
func (p Proxy) owner() []byte { return []byte(string(p.Tenant) + "/" + p.ID) }
