package cache

import (
	"context"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// ReadTTL is how long a function or node may use keys, sources, limits and revocations that it has read. A notice of a
// change makes that shorter; nothing makes it longer.
const ReadTTL = 5 * time.Second

// Cache keeps answers for a short time and shares one load among callers that ask for the same key at the same time.
// It bounds answers and refusals (errors of kind NotFound and Unauthenticated) separately, so guesses evict no
// answer. Other errors are never kept.
//
// All callers share the values that it returns and must not change them.
type Cache[K comparable, V any] struct {
	ttl                     time.Duration
	maxAnswers, maxRefusals int

	mu       sync.Mutex // guards all below
	answers  map[K]kept[V]
	refusals map[K]kept[V]
	flights  map[K]*flight[V]
}

type kept[V any] struct {
	value V
	err   error
	until time.Time
}

type flight[V any] struct {
	done      chan struct{} // closed when the rest is set
	value     V
	err       error
	abandoned bool // its leader was cancelled or panicked: each waiting caller tries again
}

// New returns a Cache of up to the given numbers of answers and refusals, each kept for ttl from the start of its load.
func New[K comparable, V any](ttl time.Duration, answers, refusals int) *Cache[K, V] {
	return &Cache[K, V]{
		ttl: ttl, maxAnswers: answers, maxRefusals: refusals,
		answers: make(map[K]kept[V]), refusals: make(map[K]kept[V]), flights: make(map[K]*flight[V]),
	}
}

// Get returns the answer or refusal kept under k, or else the result of load. If another caller is loading k, Get
// waits for that result; it fails with Unavailable if ctx ends first.
func (c *Cache[K, V]) Get(ctx context.Context, k K, load func(context.Context) (V, error)) (V, error) {
	for {
		c.mu.Lock()
		now := time.Now()
		for _, m := range []map[K]kept[V]{c.answers, c.refusals} {
			if e, ok := m[k]; ok && now.Before(e.until) {
				c.mu.Unlock()
				return e.value, e.err
			}
		}
		f, waiting := c.flights[k]
		if !waiting {
			f = &flight[V]{done: make(chan struct{}), abandoned: true}
			c.flights[k] = f
		}
		c.mu.Unlock()
		if !waiting {
			return c.lead(ctx, k, f, now, load)
		}
		select {
		case <-f.done:
			if !f.abandoned {
				return f.value, f.err
			}
		case <-ctx.Done():
			var none V
			return none, tenants.Errorf(tenants.Unavailable, "cancelled", "%w", ctx.Err())
		}
	}
}

// lead calls load for all callers that wait on f.
func (c *Cache[K, V]) lead(ctx context.Context, k K, f *flight[V], began time.Time,
	load func(context.Context) (V, error)) (V, error) {
	defer func() { // also if load panics
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.flights[k] == f { // else forgotten meanwhile: the load may have read the state before the change
			delete(c.flights, k)
			if !f.abandoned {
				c.keep(k, kept[V]{f.value, f.err, began.Add(c.ttl)})
			}
		}
		close(f.done)
	}()
	value, err := load(ctx)
	if err != nil && ctx.Err() != nil { // the end of this caller's ctx must not fail the others
		return value, err
	}
	f.value, f.err, f.abandoned = value, err, false
	return value, err
}

func (c *Cache[K, V]) keep(k K, e kept[V]) {
	delete(c.answers, k)
	delete(c.refusals, k)
	now := time.Now()
	switch kind := tenants.KindOf(e.err); {
	case e.err == nil:
		makeRoom(c.answers, c.maxAnswers, now)
		c.answers[k] = e
	case (kind == tenants.NotFound || kind == tenants.Unauthenticated) && c.maxRefusals > 0:
		makeRoom(c.refusals, c.maxRefusals, now)
		c.refusals[k] = e
	}
}

// makeRoom looks at a few entries (Go ranges over a map from a random one). It drops the expired ones, so a cache
// shrinks to the entries in use, and the oldest one if the map is full.
func makeRoom[K comparable, V any](m map[K]kept[V], limit int, now time.Time) {
	var oldest K
	var until time.Time
	seen := 0
	for k, e := range m {
		if !now.Before(e.until) {
			delete(m, k)
		} else if until.IsZero() || e.until.Before(until) {
			oldest, until = k, e.until
		}
		if seen++; seen == 8 {
			break
		}
	}
	if len(m) >= limit {
		delete(m, oldest)
	}
}

// Forget drops the entry of k. The result of a load that is under way is not kept either.
func (c *Cache[K, V]) Forget(k K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.answers, k)
	delete(c.refusals, k)
	delete(c.flights, k)
}

// ForgetWhere drops the answers for which match is true and all refusals. The result of no load under way is kept.
func (c *Cache[K, V]) ForgetWhere(match func(K, V) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, e := range c.answers {
		if match(k, e.value) {
			delete(c.answers, k)
		}
	}
	clear(c.refusals)
	clear(c.flights)
}
