package kms

import (
	"container/list"
	"context"
	"crypto/cipher"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// opening is the cache of data keys that KMS has unwrapped recently, by their wrapped form.
type opening struct {
	mu      sync.Mutex
	keys    map[string]*list.Element // elements of recent
	recent  *list.List               // of *unwrapped, most recently used first
	flights map[string]*flight       // calls in progress
}

// unwrapped is a data key that KMS has unwrapped.
type unwrapped struct {
	wrapped string
	aead    cipher.AEAD
	since   time.Time // when KMS was asked
}

func newOpening() opening {
	return opening{keys: make(map[string]*list.Element), recent: list.New(), flights: make(map[string]*flight)}
}

// openingKey returns a wrapped data key's cipher. Concurrent callers for the same key share one call to KMS.
func (v *Vault) openingKey(ctx context.Context, wrapped []byte) (cipher.AEAD, error) {
	name := string(wrapped)
	o := &v.opening
	o.mu.Lock()
	if aead := o.find(name); aead != nil {
		o.mu.Unlock()
		return aead, nil
	}
	f := o.flights[name]
	if f == nil {
		f = newFlight()
		o.flights[name] = f
		go f.land(ctx, func(ctx context.Context) (err error) {
			f.aead, err = v.unwrap(ctx, name)
			return err
		})
	}
	o.mu.Unlock()
	if err := f.wait(ctx); err != nil {
		return nil, err
	}
	return f.aead, nil
}

func (v *Vault) unwrap(ctx context.Context, wrapped string) (cipher.AEAD, error) {
	start := time.Now()
	aead, err := v.decrypt(ctx, []byte(wrapped))
	if err == nil {
		v.opening.keep(wrapped, aead, start)
	}
	v.opening.mu.Lock()
	delete(v.opening.flights, wrapped)
	v.opening.mu.Unlock()
	return aead, err
}

func (v *Vault) decrypt(ctx context.Context, wrapped []byte) (cipher.AEAD, error) {
	out, err := v.client.Decrypt(ctx, &kms.DecryptInput{KeyId: &v.key, CiphertextBlob: wrapped,
		EncryptionContext: v.context})
	if err != nil {
		return nil, classify(ctx, "Decrypt", err)
	}
	return cipherOf(out.Plaintext)
}

// find returns a key's cipher if it is cached and still usable, else nil. The caller holds the lock.
func (o *opening) find(name string) cipher.AEAD {
	e, ok := o.keys[name]
	if !ok {
		return nil
	}
	u := e.Value.(*unwrapped)
	if time.Since(u.since) >= openFor {
		o.drop(e)
		return nil
	}
	o.recent.MoveToFront(e)
	return u.aead
}

// keep caches a key that KMS was asked for at since. If the cache is full, it drops the least recently used key.
func (o *opening) keep(name string, aead cipher.AEAD, since time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if e, ok := o.keys[name]; ok {
		o.drop(e)
	}
	for len(o.keys) >= openKeys {
		o.drop(o.recent.Back())
	}
	o.keys[name] = o.recent.PushFront(&unwrapped{wrapped: name, aead: aead, since: since})
}

func (o *opening) drop(e *list.Element) {
	delete(o.keys, o.recent.Remove(e).(*unwrapped).wrapped)
}
