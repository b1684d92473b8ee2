package kms

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// sealing is the data key that secrets are currently sealed under.
type sealing struct {
	mu     sync.Mutex
	key    dataKey
	made   time.Time // when KMS was asked for key; zero if there is none
	seals  int       // number of secrets sealed under key
	making *flight   // call for the next key in progress; nil if there is none
}

// sealingKey returns the current data key and counts one seal under it. If the key is too old or has sealed too
// often, it first gets a new one.
func (v *Vault) sealingKey(ctx context.Context) (dataKey, error) {
	for s := &v.sealing; ; {
		s.mu.Lock()
		if !s.made.IsZero() && time.Since(s.made) < sealFor && s.seals < sealTimes {
			s.seals++
			key := s.key
			s.mu.Unlock()
			return key, nil
		}
		f := s.making
		if f == nil {
			f = newFlight()
			s.making = f
			go f.land(ctx, v.makeKey)
		}
		s.mu.Unlock()
		if err := f.wait(ctx); err != nil {
			return dataKey{}, err
		}
	}
}

// makeKey gets a data key from KMS and makes it the current one.
func (v *Vault) makeKey(ctx context.Context) error {
	start := time.Now()
	key, err := v.generate(ctx)
	s := &v.sealing
	s.mu.Lock()
	defer s.mu.Unlock()
	s.making = nil
	if err != nil {
		return err
	}
	s.key, s.made, s.seals = key, start, 0
	v.opening.keep(string(key.wrapped), key.aead, start)
	return nil
}

func (v *Vault) generate(ctx context.Context) (dataKey, error) {
	out, err := v.client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{
		KeyId: &v.key, KeySpec: types.DataKeySpecAes256, EncryptionContext: v.context,
	})
	if err != nil {
		return dataKey{}, classify(ctx, "GenerateDataKey", err)
	}
	aead, err := cipherOf(out.Plaintext)
	if err == nil && (len(out.CiphertextBlob) < 1 || len(out.CiphertextBlob) > maxWrapped) {
		err = broken("the wrapped data key has %d bytes, want 1 to %d", len(out.CiphertextBlob), maxWrapped)
	}
	return dataKey{aead, out.CiphertextBlob}, err
}
