package kms

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"time"
)

// callTime is how long a call to KMS may take with all its retries.
const callTime = 10 * time.Second

// flight is one call to KMS that several wait for. It goes on when those who wait give up.
type flight struct {
	landed chan struct{}
	err    error       // from here on: to be read when it has landed
	aead   cipher.AEAD // of a call that unwraps
}

func newFlight() *flight { return &flight{landed: make(chan struct{})} }

// land makes the call.
func (f *flight) land(ctx context.Context, call func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTime)
	defer cancel()
	f.err = call(ctx)
	close(f.landed)
}

func (f *flight) wait(ctx context.Context) error {
	select {
	case <-f.landed:
		return f.err
	case <-ctx.Done():
		return ended(ctx)
	}
}

// cipherOf makes a data key's cipher, and wipes the key.
func cipherOf(key []byte) (cipher.AEAD, error) {
	defer clear(key)
	if len(key) != 32 {
		return nil, broken("a data key of %d bytes", len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, broken("%w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, broken("%w", err)
	}
	return aead, nil
}
