package sqlite

import (
	"context"
	"database/sql"
	"sync"
	"sync/atomic"

	"github.com/hookcast/hookcast/tenants"
)

// Feed is a tenants.Feed of a DB's table: changes in the order of their commits, from a position that is kept under the feed's name.
type Feed struct {
	db       *DB
	name     string
	position atomic.Int64
}

var _ tenants.Feed = (*Feed)(nil)

// Feed returns the feed of that name. It goes on where its last done left it, in whichever process that was; a new name begins with the
// changes from now on. Changes are kept until every feed has them done, so a name that is no longer used is to be given up by DropFeed.
func (db *DB) Feed(ctx context.Context, name string) (*Feed, error) {
	j := newJob(true, 0, func(x *tx) error {
		n, err := x.execute(x.st.makeFeed, name, x.nextChange-1)
		x.feeds += int(n) // one too many where the commit fails: then changes are recorded that nobody wants, and swept
		return err
	})
	if err := db.w.do(ctx, j); err != nil {
		return nil, err
	}
	f := &Feed{db: db, name: name}
	var position int64
	if err := db.reads.position.QueryRowContext(ctx, name).Scan(&position); err != nil {
		return nil, engine(err)
	}
	f.position.Store(position)
	return f, nil
}

// DropFeed gives up the feed of that name, if there is one.
func (db *DB) DropFeed(ctx context.Context, name string) error {
	return db.w.do(ctx, newJob(true, 0, func(x *tx) error {
		_, err := x.execute(x.st.dropFeed, name)
		return err // feeds stays: the next process counts anew
	}))
}

// Next fulfils tenants.Feed. Until done is called it returns the same changes again.
func (f *Feed) Next(ctx context.Context, max int) ([]tenants.Change, func(context.Context) error, error) {
	for {
		if err := ended(ctx); err != nil {
			return nil, nil, err
		}
		news := f.db.w.news.wait()
		changes, last, err := f.read(ctx, max)
		if err != nil {
			return nil, nil, engine(err)
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
		if err := found.Scan(&last, &c.Row.Tenant, &c.Row.Kind, &c.Row.Sort, &version, &expires, &c.Row.Body); err != nil {
			return nil, 0, err
		}
		c.Deleted = !version.Valid
		c.Row.Version, c.Row.Expires = version.Int64, expiry(expires.Int64)
		changes = append(changes, c)
	}
	return changes, last, found.Err()
}

// done keeps the position. It need not reach the disk: what is lost comes again.
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

// broadcast wakes all who wait for the next send.
type broadcast struct {
	mu sync.Mutex
	ch chan struct{}
}

func (b *broadcast) init() { b.ch = make(chan struct{}) }

// wait returns a channel that is closed by the next send.
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
