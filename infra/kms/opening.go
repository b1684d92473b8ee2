package kms

import (
	"container/list"
	"context"
	"crypto/cipher"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// opening is the data keys that KMS has unwrapped lately, by their wrapped form.
type opening struct {
	mu      sync.Mutex
	keys    map[string]*list.Element // of *unwrapped
	recent  *list.List               // the one used last in front
	flights map[string]*flight       // those that KMS is being asked for
}

type unwrapped struct {
	wrapped string
	aead    cipher.AEAD
	since   time.Time
}

func newOpening() opening {
	return opening{keys: make(map[string]*list.Element), recent: list.New(), flights: make(map[string]*flight)}
}

// openingKey returns a wrapped data key's cipher. Callers that want the same one at once ask KMS once.
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
	out, err := v.client.Decrypt(ctx, &kms.DecryptInput{KeyId: &v.key, CiphertextBlob: wrapped, EncryptionContext: v.context})
	if err != nil {
		return nil, classify(ctx, "Decrypt", err)
	}
	return cipherOf(out.Plaintext)
}

// find returns a key's cipher if it may be used still, else nil. The caller has the lock.
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

// keep notes a key that KMS gave at since, in the place of the one that was used least recently where there are too many.
func (o *opening) keep(name string, aead cipher.AEAD, since time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if e, ok := o.keys[name]; ok {
		o.drop(e)
	}
	for len(o.keys) >= openKeys {
		o.drop(o.recent.Back())
	}
	o.keys[name] = o.recent.PushFront(&unwrapped{name, aead, since})
}

func (o *opening) drop(e *list.Element) {
	delete(o.keys, o.recent.Remove(e).(*unwrapped).wrapped)
}
