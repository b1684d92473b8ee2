package worker

import (
	"errors"
	"slices"
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

// Each calls do for each group of a batch, GroupsAtOnce at a time, and adds the failed ones to f: of a group whose do
// returned an error, the items that indexes names. A batch is grouped so that no two calls of do concern the same row.
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
