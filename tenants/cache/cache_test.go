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
					t.Errorf("got %d, %v", v, err)
				}
			})
		}
		wg.Wait()
		time.Sleep(time.Second - 2*time.Millisecond) // the age counts from when the load began
		if v, _ := c.Get(context.Background(), "k", func(context.Context) (int, error) { return 2, nil }); v != 1 {
			t.Errorf("within the time: %d", v)
		}
		time.Sleep(time.Millisecond)
		if v, _ := c.Get(context.Background(), "k", func(context.Context) (int, error) { return 2, nil }); v != 2 {
			t.Errorf("past the time: %d", v)
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
					_, _ = c.Get(ctx, "k", func(context.Context) (int, error) { time.Sleep(time.Millisecond); return end(cancel) })
				}()
				synctest.Wait()
				v, err := c.Get(context.Background(), "k", func(context.Context) (int, error) { return 7, nil })
				if v != 7 || err != nil {
					t.Errorf("who waited got %d, %v", v, err)
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
				_, _ = c.Get(context.Background(), "k", func(context.Context) (int, error) { time.Sleep(time.Millisecond); return 1, nil })
			}()
			synctest.Wait()
			forget(c)
			time.Sleep(2 * time.Millisecond) // the old load has come back
			if v, _ := c.Get(context.Background(), "k", func(context.Context) (int, error) { return 2, nil }); v != 2 {
				t.Errorf("%s: got what was read before", name)
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
		t.Errorf("guesses pushed out %d answers", loads)
	}
	_, _ = get(199, 0, nil)
	if loads != 0 {
		t.Error("a refusal was not kept")
	}
	for range 2 {
		_, _ = get(500, 0, tenants.Errorf(tenants.Unavailable, "busy", "busy"))
	}
	if loads != 2 {
		t.Errorf("an error that may pass was kept: %d loads", loads)
	}
	for k := range 50 {
		_, _ = get(1000+k, k, nil)
	}
	loads = 0
	for k := range 50 {
		_, _ = get(1000+k, k, nil)
	}
	if loads < 47 {
		t.Errorf("a cache of 3 knew %d of 50", 50-loads)
	}
}
