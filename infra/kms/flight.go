package kms

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"time"
)

// callTime is the timeout of a call to KMS with all its retries.
const callTime = 10 * time.Second

// flight is one call to KMS that several goroutines wait for. It continues even if all of them give up.
type flight struct {
	landed chan struct{} // closed at the end of the call; the fields below are valid then
	err    error
	aead   cipher.AEAD // the result of a call that unwraps
}

func newFlight() *flight { return &flight{landed: make(chan struct{})} }

// land makes the call and closes landed.
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
		return cancelled(ctx)
	}
}

// cipherOf returns a data key's cipher and clears the key.
func cipherOf(key []byte) (cipher.AEAD, error) {
	defer clear(key)
	if len(key) != 32 {
		return nil, broken("the data key has %d bytes, want 32", len(key))
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
