package tenantstest

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/hookcast/hookcast/tenants"
)

// Feed is the change feed of a simulated Table, for one consumer. Changes stay in it until they are done: a Next
// before the done of the previous one may return the same changes.
type Feed struct {
	faults Faults

	mu      sync.Mutex
	rng     *rand.Rand
	pending []*tenants.Change
	news    chan struct{} // closed and replaced when pending grows
}

var _ tenants.Feed = (*Feed)(nil)

// Feed returns a feed of all changes from now on.
func (t *Table) Feed() *Feed {
	f := &Feed{faults: t.faults, rng: rand.New(rand.NewPCG(t.faults.Seed, 0xfeed)), news: make(chan struct{})}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.feeds = append(t.feeds, f)
	return f
}

func (f *Feed) add(c tenants.Change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pending = append(f.pending, &c)
	close(f.news)
	f.news = make(chan struct{})
}

// Next implements tenants.Feed.
func (f *Feed) Next(ctx context.Context, max int) ([]tenants.Change, func(context.Context) error, error) {
	if max < 1 {
		breach("a Next of %d changes", max)
	}
	for {
		if err := ended(ctx); err != nil {
			return nil, nil, err
		}
		batch, news := f.take(max)
		if len(batch) > 0 {
			changes := make([]tenants.Change, len(batch))
			for i, c := range batch {
				changes[i] = tenants.Change{Row: copyRow(&c.Row), Deleted: c.Deleted}
			}
			return changes, func(ctx context.Context) error { return f.done(ctx, batch) }, nil
		}
		select {
		case <-news:
		case <-ctx.Done():
		}
	}
}

func (f *Feed) take(max int) ([]*tenants.Change, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.faults.Shuffled {
		f.rng.Shuffle(len(f.pending), func(i, j int) { f.pending[i], f.pending[j] = f.pending[j], f.pending[i] })
	}
	return slices.Clone(f.pending[:min(max, len(f.pending))]), f.news
}

func (f *Feed) done(ctx context.Context, batch []*tenants.Change) error {
	if err := ended(ctx); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pending = slices.DeleteFunc(f.pending, func(c *tenants.Change) bool {
		return slices.Contains(batch, c) && f.rng.Float64() >= f.faults.Repeated
	})
	return nil
}
