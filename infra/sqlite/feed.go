package sqlite

import (
	"context"
	"database/sql"
	"sync"
	"sync/atomic"

	"github.com/hookcast/hookcast/tenants"
)

// Feed implements tenants.Feed for a DB's table. It returns changes in the order of their commits, from a position
// that is stored under the feed's name.
type Feed struct {
	db       *DB
	name     string
	position atomic.Int64
}

var _ tenants.Feed = (*Feed)(nil)

// Feed returns the feed with that name. It continues after the last call of done, which may have been in an earlier
// process; a feed with a new name begins with new changes. Changes are stored until every feed has called done for
// them, so the caller must use DropFeed for a name that is no longer used.
func (db *DB) Feed(ctx context.Context, name string) (*Feed, error) {
	j := newJob(true, 0, func(x *tx) error {
		n, err := x.execute(x.st.makeFeed, name, x.nextChange-1)
		x.feeds += int(n) // too high if the commit fails: changes are then recorded for no feed and swept later
		return err
	})
	if err := db.w.do(ctx, j); err != nil {
		return nil, err
	}
	f := &Feed{db: db, name: name}
	var position int64
	if err := db.reads.position.QueryRowContext(ctx, name).Scan(&position); err != nil {
		return nil, domainError(err)
	}
	f.position.Store(position)
	return f, nil
}

// DropFeed removes the feed with that name, if it exists.
func (db *DB) DropFeed(ctx context.Context, name string) error {
	return db.w.do(ctx, newJob(true, 0, func(x *tx) error {
		_, err := x.execute(x.st.dropFeed, name)
		return err // feeds is not decreased: the next process counts again
	}))
}

// Next implements tenants.Feed. It returns the same changes again until done is called.
func (f *Feed) Next(ctx context.Context, max int) ([]tenants.Change, func(context.Context) error, error) {
	for {
		if err := contextError(ctx); err != nil {
			return nil, nil, err
		}
		news := f.db.w.news.wait()
		changes, last, err := f.read(ctx, max)
		if err != nil {
			return nil, nil, domainError(err)
		}
		if len(changes) > 0 {
			return changes, func(ctx context.Context) error { return f.done(ctx, last) }, nil
		}
		select {
		case <-news:
		case <-ctx.Done():
		}
	}
}

func (f *Feed) read(ctx context.Context, max int) (changes []tenants.Change, last int64, err error) {
	found, err := f.db.reads.changes.QueryContext(ctx, f.position.Load(), max)
	if err != nil {
		return nil, 0, err
	}
	defer found.Close()
	for found.Next() {
		var (
			c                tenants.Change
			version, expires sql.NullInt64
		)
		if err := found.Scan(&last, &c.Row.Tenant, &c.Row.Kind, &c.Row.Sort, &version, &expires,
			&c.Row.Body); err != nil {
			return nil, 0, err
		}
		c.Deleted = !version.Valid
		c.Row.Version, c.Row.Expires = version.Int64, expiry(expires.Int64)
		changes = append(changes, c)
	}
	return changes, last, found.Err()
}

// done stores the position. The commit is not durable: after a loss the changes are returned again.
func (f *Feed) done(ctx context.Context, last int64) error {
	err := f.db.w.do(ctx, newJob(false, 0, func(x *tx) error {
		_, err := x.execute(x.st.moveFeed, f.name, last)
		return err
	}))
	if err != nil {
		return err
	}
	for {
		p := f.position.Load()
		if p >= last || f.position.CompareAndSwap(p, last) {
			return nil
		}
	}
}

// broadcast wakes all goroutines that wait for the next send.
type broadcast struct {
	mu sync.Mutex
	ch chan struct{}
}

func (b *broadcast) init() { b.ch = make(chan struct{}) }

// wait returns a channel that the next send closes.
func (b *broadcast) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ch
}

func (b *broadcast) send() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.ch)
	b.ch = make(chan struct{})
}
