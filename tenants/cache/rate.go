package cache

import (
	"math"
	"sync"
	"time"
)

// Rate holds a token bucket for each K, a tenant or something of a tenant's, for this process alone: with n processes there can be n
// times as much at worst. A bucket holds one second's worth. It remembers at most so many; what nobody has used for longest is
// forgotten first, which changes nothing once its bucket is full.
type Rate[K comparable] struct {
	max int

	mu      sync.Mutex
	buckets map[K]bucket
}

type bucket struct {
	level float64 // what was left at the time at; below zero where one request took more than a bucket holds
	full  float64
	at    time.Time
}

// NewRate makes a Rate that remembers up to max buckets.
func NewRate[K comparable](max int) *Rate[K] { return &Rate[K]{max: max, buckets: make(map[K]bucket)} }

// Take takes n from k's bucket, which fills by perSecond a second; 0 per second is no limit. Where there is not enough
// it takes nothing and says how long to wait. More than a bucket holds is given to a full bucket and paid back after.
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

// now is what is in the bucket.
func (b bucket) now(now time.Time) float64 {
	return min(b.level+now.Sub(b.at).Seconds()*b.full, b.full)
}

// Used returns how much of a second's worth is gone from k's bucket: how much was taken within the last second or so.
func (r *Rate[K]) Used(k K) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	b, known := r.buckets[k]
	if !known {
		return 0
	}
	return int(math.Ceil(b.full - b.now(time.Now())))
}

// drop makes room: of a few buckets (Go starts to range at a random one) the one that nobody has used for longest, since a
// second's rest fills it.
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
