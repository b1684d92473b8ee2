package worker_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants/worker"
)

// The items of the groups that fail are reported once and in order, with those that the caller has added.
func TestEachReportsTheItemsOfFailedGroups(t *testing.T) {
	even, odd := errors.New("even"), errors.New("odd")
	var f worker.Failures
	f.Add(nil, 7, 2)
	groups := [][]int{{8, 2, 0}, {1, 3}, {9, 5}}
	worker.Each(&f, groups, func(g []int) []int { return g }, func(g []int) error {
		switch g[0] {
		case 8:
			return even
		case 9:
			return odd
		}
		return nil
	})
	failed, err := f.Result()
	if !slices.Equal(failed, []int{0, 2, 5, 7, 8, 9}) || !errors.Is(err, even) || !errors.Is(err, odd) {
		t.Errorf("got %v, %v, want [0 2 5 7 8 9] and both errors", failed, err)
	}
	if failed, err := new(worker.Failures).Result(); failed != nil || err != nil {
		t.Errorf("without failures: got %v, %v, want nil, nil", failed, err)
	}
}

func TestParallelBoundsItsCallsAndReturnsTheLowestError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := errors.New("first"), errors.New("second")
		var mu sync.Mutex
		running, most, calls := 0, 0, 0
		count := func(begun, ended int) {
			mu.Lock()
			defer mu.Unlock()
			running, calls = running+begun-ended, calls+begun
			most = max(most, running)
		}
		err := worker.Parallel(10, 3, func(i int) error {
			count(1, 0)
			time.Sleep(time.Duration(10-i) * time.Millisecond) // the later ones end first
			count(0, 1)
			return map[int]error{4: first, 5: second}[i]
		})
		if !errors.Is(err, first) || most != 3 || calls != 10 {
			t.Errorf("got %v, %d at a time, %d calls, want %v, 3, 10", err, most, calls, first)
		}
	})
}
