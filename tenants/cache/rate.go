package cache

import (
	"math"
	"sync"
	"time"
)

// Rate limits how much each K, such as a tenant or an endpoint, takes per second. Each K has a token bucket that
// holds one second's worth. The buckets are this process's own: n processes allow up to n times the rate. Above a
// maximum number of buckets the least recently used go first, which loses nothing if they are full.
type Rate[K comparable] struct {
	max int

	mu      sync.Mutex
	buckets map[K]bucket
}

type bucket struct {
	level float64 // the tokens left at time at; negative after a request for more than a bucket holds
	full  float64
	at    time.Time
}

// NewRate returns a Rate of up to max buckets.
func NewRate[K comparable](max int) *Rate[K] { return &Rate[K]{max: max, buckets: make(map[K]bucket)} }

// Take takes n tokens from k's bucket, which refills at perSecond tokens a second (0: no limit). If there are too
// few, it takes none and returns how long to wait. A full bucket gives more than it holds, and pays that back before
// it gives again.
func (r *Rate[K]) Take(k K, perSecond, n int) (wait time.Duration, ok bool) {
	if perSecond <= 0 || n <= 0 {
		return 0, true
	}
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	b, known := r.buckets[k]
	if !known {
		if len(r.buckets) >= r.max {
			r.drop(now)
		}
		b = bucket{level: float64(perSecond), at: now}
	}
	b.full = float64(perSecond)
	b.level, b.at = b.now(now), now
	need := min(float64(n), float64(perSecond))
	if b.level < need {
		r.buckets[k] = b
		return time.Duration((need-b.level)/float64(perSecond)*float64(time.Second)) + 1, false // rounded up
	}
	b.level -= float64(n)
	r.buckets[k] = b
	return 0, true
}

// now returns the tokens in the bucket.
func (b bucket) now(now time.Time) float64 {
	return min(b.level+now.Sub(b.at).Seconds()*b.full, b.full)
}

// Used returns how many tokens are missing from k's bucket: about as many as were taken within the last second.
func (r *Rate[K]) Used(k K) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	b, known := r.buckets[k]
	if !known {
		return 0
	}
	return int(math.Ceil(b.full - b.now(time.Now())))
}

// drop removes the least recently used of a few buckets (Go ranges over a map from a random one). It is probably full
// again.
func (r *Rate[K]) drop(now time.Time) {
	var oldest K
	at, seen := now, 0
	for k, b := range r.buckets {
		if seen == 0 || b.at.Before(at) {
			oldest, at = k, b.at
		}
		if seen++; seen == 16 {
			break
		}
	}
	delete(r.buckets, oldest)
}
