package worker

import (
	"errors"
	"slices"
	"sync"
)

// Failures collects which items of a batch failed, by their indexes, and why. The zero Failures is empty.
type Failures struct {
	indexes []int
	errs    []error
}

// Add notes that the items at indexes failed with err. A nil err is a failure that has been reported elsewhere.
func (f *Failures) Add(err error, indexes ...int) {
	f.indexes = append(f.indexes, indexes...)
	if err != nil {
		f.errs = append(f.errs, err)
	}
}

// Result returns the indexes of the failed items, in ascending order and each once, and their errors joined.
func (f *Failures) Result() (indexes []int, err error) {
	slices.Sort(f.indexes)
	return slices.Compact(f.indexes), errors.Join(f.errs...)
}

// Each calls do for each group of a batch, GroupsAtOnce at a time. If do fails, the items of that group, which indexes
// returns, are added to f. The caller groups a batch so that no two calls of do concern the same row.
func Each[G any](f *Failures, groups []G, indexes func(G) []int, do func(G) error) {
	errs := make([]error, len(groups))
	Parallel(len(groups), GroupsAtOnce, func(i int) error {
		errs[i] = do(groups[i])
		return nil
	})
	for i, err := range errs {
		if err != nil {
			f.Add(err, indexes(groups[i])...)
		}
	}
}

// Parallel calls do(0) to do(n-1), at most limit of them at a time. It waits for all of them and returns the error of
// the lowest index that failed.
func Parallel(n, limit int, do func(i int) error) error {
	if n == 1 {
		return do(0)
	}
	errs := make([]error, n)
	slots := make(chan struct{}, limit)
	var all sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		all.Go(func() {
			errs[i] = do(i)
			<-slots
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
