package cache

import (
	"context"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// ReadTTL is how long a function or node may go on by what it has read of keys, sources, limits and revocations. News of a
// change makes it shorter; nothing makes it longer.
const ReadTTL = 5 * time.Second

// Cache keeps answers for a short while and lets callers who ask for the same at the same time share one load. It holds at
// most so many answers, and apart from them so many refusals (kinds NotFound and Unauthenticated), so that guesses push out
// no answer; other errors are never kept. Whoever makes the keys puts the tenant into them, or a hash that implies it.
//
// What it returns is shared by all callers, to be read only.
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
	abandoned bool // its leader gave up or died: whoever waits loads for itself
}

// New makes a cache of at most answers and refusals, each kept for ttl from the moment its load began.
func New[K comparable, V any](ttl time.Duration, answers, refusals int) *Cache[K, V] {
	return &Cache[K, V]{
		ttl: ttl, maxAnswers: answers, maxRefusals: refusals,
		answers: make(map[K]kept[V]), refusals: make(map[K]kept[V]), flights: make(map[K]*flight[V]),
	}
}

// Get returns what is kept under k, else what load gives.
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

// lead does the load for everybody who waits on f.
func (c *Cache[K, V]) lead(ctx context.Context, k K, f *flight[V], began time.Time, load func(context.Context) (V, error)) (V, error) {
	defer func() { // runs on a panic of load too
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.flights[k] == f { // else forgotten meanwhile: what was read may be older than what made us forget
			delete(c.flights, k)
			if !f.abandoned {
				c.keep(k, kept[V]{f.value, f.err, began.Add(c.ttl)})
			}
		}
		close(f.done)
	}()
	value, err := load(ctx)
	if err != nil && ctx.Err() != nil { // this caller's hurry is nobody else's error
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

// makeRoom looks at a few entries (Go starts to range at a random one): it drops those that are over, so that a cache shrinks to
// what is in use, and the oldest where the map is full.
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

// Forget drops what is kept under k. A load under way is not kept either.
func (c *Cache[K, V]) Forget(k K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.answers, k)
	delete(c.refusals, k)
	delete(c.flights, k)
}

// ForgetWhere drops the answers that match, all refusals, and whatever is being loaded.
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
