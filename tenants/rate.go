package tenants

import (
	"sync"
	"time"
)

// Rate holds a token bucket per tenant, for this process alone: with n processes a tenant can have n times as much at worst.
// A bucket holds one second's worth. It remembers at most so many tenants; one whose bucket is full is forgotten first, which
// changes nothing for it.
type Rate struct {
	max int

	mu      sync.Mutex
	buckets map[TenantID]bucket
}

type bucket struct {
	level float64 // what was left at the time at; below zero where one request took more than a bucket holds
	at    time.Time
}

// NewRate makes a Rate that remembers up to max tenants.
func NewRate(max int) *Rate { return &Rate{max: max, buckets: make(map[TenantID]bucket)} }

// Take takes n from the tenant's bucket, which fills by perSecond a second; 0 per second is no limit. Where there is not enough
// it takes nothing and says how long to wait. More than a bucket holds is given to a full bucket and paid back after.
func (r *Rate) Take(tenant TenantID, perSecond, n int) (wait time.Duration, ok bool) {
	if perSecond <= 0 || n <= 0 {
		return 0, true
	}
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	b, known := r.buckets[tenant]
	if !known {
		if len(r.buckets) >= r.max {
			r.drop(now)
		}
		b = bucket{float64(perSecond), now}
	}
	b.level = min(b.level+now.Sub(b.at).Seconds()*float64(perSecond), float64(perSecond))
	b.at = now
	need := min(float64(n), float64(perSecond))
	if b.level < need {
		r.buckets[tenant] = b
		return time.Duration((need-b.level)/float64(perSecond)*float64(time.Second)) + 1, false // rounded up
	}
	b.level -= float64(n)
	r.buckets[tenant] = b
	return 0, true
}

// drop makes room: of a few buckets (Go starts to range at a random one) the one that nobody has used for longest, since a
// second's rest fills it.
func (r *Rate) drop(now time.Time) {
	var oldest TenantID
	at, seen := now, 0
	for tenant, b := range r.buckets {
		if seen == 0 || b.at.Before(at) {
			oldest, at = tenant, b.at
		}
		if seen++; seen == 16 {
			break
		}
	}
	delete(r.buckets, oldest)
}
