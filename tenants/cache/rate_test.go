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
			t.Errorf("took %d", taken)
		}
		if _, ok := r.Take("ten_b", 20, 20); !ok {
			t.Error("one tenant's bucket is another's")
		}
		if _, ok := r.Take("ten_a", 0, 1_000_000); !ok {
			t.Error("no limit is a limit")
		}
	})
}

func TestRatePaysBackWhatIsMoreThanABucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := cache.NewRate[tenants.TenantID](10)
		if _, ok := r.Take("ten_a", 10, 50); !ok {
			t.Fatal("a full bucket refuses")
		}
		wait, ok := r.Take("ten_a", 10, 1)
		if ok || wait < 4*time.Second || wait > 4200*time.Millisecond {
			t.Fatalf("after five buckets: %v, wait %v", ok, wait)
		}
		time.Sleep(wait)
		if _, ok := r.Take("ten_a", 10, 1); !ok {
			t.Error("after the wait it refuses")
		}
	})
}

// Whoever makes tenants come and go does not free one that is over its rate.
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
			t.Errorf("the busy tenant took %d full buckets in ten seconds", taken)
		}
	})
}
