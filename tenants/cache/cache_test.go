package cache_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/cache"
)

func TestCacheSharesOneLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache.New[string, int](time.Second, 10, 10)
		var loads atomic.Int32
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				v, err := c.Get(context.Background(), "k", func(context.Context) (int, error) {
					time.Sleep(time.Millisecond)
					return int(loads.Add(1)), nil
				})
				if v != 1 || err != nil {
					t.Errorf("a shared load: got %d, %v, want 1", v, err)
				}
			})
		}
		wg.Wait()
		time.Sleep(time.Second - 2*time.Millisecond) // the time to live counts from the start of the load
		if v, _ := c.Get(context.Background(), "k", func(context.Context) (int, error) { return 2, nil }); v != 1 {
			t.Errorf("within the time to live: got %d, want 1", v)
		}
		time.Sleep(time.Millisecond)
		if v, _ := c.Get(context.Background(), "k", func(context.Context) (int, error) { return 2, nil }); v != 2 {
			t.Errorf("after the time to live: got %d, want 2", v)
		}
	})
}

func TestCacheSurvivesItsLeader(t *testing.T) {
	for name, end := range map[string]func(cancel func()) (int, error){
		"cancelled": func(cancel func()) (int, error) { cancel(); return 0, errors.New("interrupted") },
		"panicked":  func(func()) (int, error) { panic("load") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := cache.New[string, int](time.Second, 10, 10)
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				go func() {
					defer func() { _ = recover() }()
					_, _ = c.Get(ctx, "k", func(context.Context) (int, error) {
						time.Sleep(time.Millisecond)
						return end(cancel)
					})
				}()
				synctest.Wait()
				v, err := c.Get(context.Background(), "k", func(context.Context) (int, error) { return 7, nil })
				if v != 7 || err != nil {
					t.Errorf("the waiting caller: got %d, %v, want 7", v, err)
				}
			})
		})
	}
}

func TestCacheForgetsWhatIsBeingLoaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, forget := range map[string]func(*cache.Cache[string, int]){
			"Forget":      func(c *cache.Cache[string, int]) { c.Forget("k") },
			"ForgetWhere": func(c *cache.Cache[string, int]) { c.ForgetWhere(func(string, int) bool { return true }) },
		} {
			c := cache.New[string, int](time.Minute, 10, 10)
			go func() {
				_, _ = c.Get(context.Background(), "k", func(context.Context) (int, error) {
					time.Sleep(time.Millisecond)
					return 1, nil
				})
			}()
			synctest.Wait()
			forget(c)
			time.Sleep(2 * time.Millisecond) // until the old load has returned
			if v, _ := c.Get(context.Background(), "k", func(context.Context) (int, error) { return 2, nil }); v != 2 {
				t.Errorf("after %s: got %d, want 2, as the old load must not be kept", name, v)
			}
		}
	})
}

func TestCacheKeepsRefusalsApartAndOtherErrorsNot(t *testing.T) {
	c := cache.New[int, int](time.Minute, 3, 2)
	loads := 0
	get := func(k int, v int, err error) (int, error) {
		return c.Get(context.Background(), k, func(context.Context) (int, error) { loads++; return v, err })
	}
	for k := range 3 {
		_, _ = get(k, k, nil)
	}
	for k := 100; k < 200; k++ { // guesses
		_, _ = get(k, 0, tenants.Errorf(tenants.NotFound, "nothing", "nothing"))
	}
	loads = 0
	for k := range 3 {
		_, _ = get(k, -1, nil)
	}
	if loads != 0 {
		t.Errorf("answers evicted by guesses: got %d, want 0", loads)
	}
	_, _ = get(199, 0, nil)
	if loads != 0 {
		t.Errorf("loads of a kept refusal: got %d, want 0", loads)
	}
	for range 2 {
		_, _ = get(500, 0, tenants.Errorf(tenants.Unavailable, "busy", "busy"))
	}
	if loads != 2 {
		t.Errorf("loads after a transient error: got %d, want 2, as it must not be kept", loads)
	}
	for k := range 50 {
		_, _ = get(1000+k, k, nil)
	}
	loads = 0
	for k := range 50 {
		_, _ = get(1000+k, k, nil)
	}
	if loads < 47 {
		t.Errorf("entries of a cache of 3: got %d, want at most 3", 50-loads)
	}
}
