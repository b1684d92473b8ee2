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

// secretRequest is what of a proxy is a secret: the request as its tenant wrote it, holes included.
type secretRequest struct {
	URL     string
	Headers map[string]string
	Body    []byte // nil: none
}

// maxBody is how large the body of a proxy's request may be.
const maxBody = 64 << 10

// seal puts r into p. A Vault seals 4 KB at most: it seals a key, and the request is encrypted under that by AES-256-GCM, for this proxy alone.
func (s *Proxies) seal(ctx context.Context, p *Proxy, r secretRequest) error {
	key := make([]byte, 32)
	rand.Read(key)
	sealer, err := newSealer(key)
	if err != nil {
		return err
	}
	if p.Key, err = s.vault.Seal(ctx, p.Tenant, purpose(p.ID), key); err != nil {
		return err
	}
	p.Sealed = sealer.Seal(nil, nil, record.Encode(r), []byte(string(p.Tenant)+"/"+p.ID))
	return nil
}

func (s *Proxies) unseal(ctx context.Context, p Proxy) (r secretRequest, err error) {
	key, err := s.vault.Open(ctx, p.Tenant, purpose(p.ID), p.Key)
	if err != nil {
		return r, err
	}
	sealer, err := newSealer(key)
	if err != nil {
		return r, err
	}
	b, err := sealer.Open(nil, nil, p.Sealed, []byte(string(p.Tenant)+"/"+p.ID))
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err != nil {
		return secretRequest{}, tenants.Errorf(tenants.Internal, "unsealable", "a proxy's request does not open")
	}
	return r, nil
}

// newSealer writes a random nonce in front of what it seals.
func newSealer(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, tenants.Errorf(tenants.Internal, "unsealable", "a proxy's key is none")
	}
	sealer, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, tenants.Errorf(tenants.Internal, "unsealable", "%w", err)
	}
	return sealer, nil
}

func purpose(proxy string) string { return "proxy/" + proxy }
