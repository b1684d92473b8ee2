package cache_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/cache"
)

func TestRateGivesWhatItSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := cache.NewRate[tenants.TenantID](10)
		taken, start := 0, time.Now()
		for time.Since(start) < 10*time.Second {
			if wait, ok := r.Take("ten_a", 20, 1); ok {
				taken++
			} else {
				time.Sleep(wait)
			}
		}
		if taken < 219 || taken > 221 { // a full bucket and ten seconds
			t.Errorf("tokens taken in ten seconds at 20 a second: got %d, want 219 to 221", taken)
		}
		if _, ok := r.Take("ten_b", 20, 20); !ok {
			t.Error("Take of a full bucket was refused, after another tenant emptied its own")
		}
		if _, ok := r.Take("ten_a", 0, 1_000_000); !ok {
			t.Error("Take at 0 per second was refused, want no limit")
		}
	})
}

func TestRatePaysBackWhatIsMoreThanABucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := cache.NewRate[tenants.TenantID](10)
		if _, ok := r.Take("ten_a", 10, 50); !ok {
			t.Fatal("Take of five buckets' worth from a full bucket was refused")
		}
		wait, ok := r.Take("ten_a", 10, 1)
		if ok || wait < 4*time.Second || wait > 4200*time.Millisecond {
			t.Fatalf("after five buckets' worth: got %v, wait %v, want false, 4 s to 4.2 s", ok, wait)
		}
		time.Sleep(wait)
		if _, ok := r.Take("ten_a", 10, 1); !ok {
			t.Error("Take was refused after the wait that it asked for")
		}
	})
}

// Many tenants that come and go do not evict the bucket of one that is over its rate.
func TestRateRemembersWhoIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := cache.NewRate[tenants.TenantID](16)
		taken := 0
		for i := range 1000 { // ten seconds
			r.Take(tenants.TenantID(fmt.Sprint("ten_", i)), 5, 1)
			if _, ok := r.Take("ten_busy", 5, 5); ok {
				taken++
			}
			time.Sleep(10 * time.Millisecond)
		}
		if taken < 9 || taken > 11 {
			t.Errorf("full buckets taken by the busy tenant in ten seconds: got %d, want 9 to 11", taken)
		}
	})
}
