package kms

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// sealing is the data key that secrets are sealed under now.
type sealing struct {
	mu     sync.Mutex
	key    dataKey
	made   time.Time // when it was; zero: there is none
	seals  int       // under it
	making *flight   // the next one; nil: none is being made
}

// sealingKey counts one seal under the current data key, and has another one made where that is too old or worn.
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

// makeKey has KMS make a data key, which becomes the current one.
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
		err = broken("a wrapped data key of %d bytes", len(out.CiphertextBlob))
	}
	return dataKey{aead, out.CiphertextBlob}, err
}
