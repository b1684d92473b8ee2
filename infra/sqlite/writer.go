package sqlite

import (
	"context"
	"database/sql"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

const (
	maxBatch      = 512                  // calls in one commit
	maxBatchBytes = 4 << 20              // roughly, in one commit
	busyBatch     = 8                    // calls in one commit that show load; a lone caller never waits
	fullBatch     = 64                   // calls in one commit that are worth an fsync
	gatherFor     = 8 * time.Millisecond // the longest that a call waits for company
	gatherGap     = time.Millisecond     // nobody came for so long: whoever is there is all there are
	retryAfter    = 100 * time.Millisecond
)

// writer is the one that writes. Callers touch the fields from jobs to full; the rest is its goroutine's.
type writer struct {
	db   *sql.DB
	conn *sql.Conn
	st   writeStatements

	jobs   chan *job
	mu     sync.RWMutex // held for reading while a job goes into jobs
	closed bool
	laneMu sync.Mutex
	named  map[string]*lane // all of them, guarded by laneMu
	counts counts
	news   broadcast     // a change for the feeds was committed
	full   chan struct{} // the log has grown; holds one

	synchronous string // FULL or OFF, as asked for
	tells       func(tenants.Kind) bool
	current     string  // as SQLite is set
	lanes       []*lane // those that are in use
	wake        *time.Timer
	patience    *time.Timer
	last        int   // calls in the batch before
	grown       int   // bytes written since the checkpointer was told, roughly
	nextMessage int64 // ids and numbers to give, never given twice in a process's life
	nextChange  int64
	feeds       int  // how many feeds there are: without one no change is recorded
	suspect     bool // an fsync may have failed
	failing     bool // the last transaction was taken back
}

func newWriter(ctx context.Context, path string, o Options) (*writer, error) {
	d, err := open(path, 1, patient, "cache_size(-8000)", "wal_autocheckpoint(40000)", "journal_size_limit(134217728)")
	if err != nil {
		return nil, err
	}
	w := &writer{
		db: d, synchronous: o.Synchronous, tells: o.Feeds, named: map[string]*lane{}, jobs: make(chan *job, maxBatch),
		full: make(chan struct{}, 1), wake: time.NewTimer(0), patience: time.NewTimer(0),
	}
	w.news.init()
	if err := w.start(ctx, o); err != nil {
		d.Close()
		return nil, engine(err)
	}
	return w, nil
}

func (w *writer) start(ctx context.Context, o Options) (err error) {
	if w.conn, err = w.db.Conn(ctx); err != nil {
		return err
	}
	if _, err = w.conn.ExecContext(ctx, "PRAGMA journal_mode = WAL"); err != nil {
		return err
	}
	if err = w.setSynchronous(w.synchronous); err != nil {
		return err
	}
	if err = migrate(ctx, w.conn); err != nil {
		return err
	}
	// No receiver outlives the process: what was in its hands is visible again, with its count of receives.
	if _, err = w.conn.ExecContext(ctx, "UPDATE messages SET visible = sent, held = 0 WHERE held = 1"); err != nil {
		return err
	}
	row := w.conn.QueryRowContext(ctx, `SELECT
		(SELECT coalesce(max(id), 0) + 1 FROM messages), (SELECT count(*) FROM feeds),
		max((SELECT coalesce(max(seq), 0) FROM changes), (SELECT coalesce(max(position), 0) FROM feeds)) + 1`)
	if err = row.Scan(&w.nextMessage, &w.feeds, &w.nextChange); err != nil {
		return err
	}
	if err = w.limit(ctx, o.MaxPages); err != nil {
		return err
	}
	return w.st.prepare(ctx, w.conn)
}

// limit sets how many pages the file may have; 0 means SQLite's own limit.
func (w *writer) limit(ctx context.Context, pages int) error {
	if pages == 0 {
		pages = 1<<32 - 2
	}
	_, err := w.conn.ExecContext(ctx, "PRAGMA max_page_count = "+itoa(pages))
	return err
}

func (w *writer) setSynchronous(mode string) error {
	if w.current == mode {
		return nil
	}
	_, err := w.conn.ExecContext(context.Background(), "PRAGMA synchronous = "+mode)
	if err == nil {
		w.current = mode
	}
	return err
}

func (w *writer) handle() *sql.DB {
	if w == nil {
		return nil
	}
	return w.db
}

// close lets no more jobs in. The writer ends once it has dealt with those that are.
func (w *writer) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.closed = true
		close(w.jobs)
	}
}

func (w *writer) run() {
	defer w.conn.Close()
	defer w.wake.Stop()
	defer w.patience.Stop()
	for {
		batch, open := w.gather()
		w.serve(batch)
		if !open {
			for _, l := range w.lanes {
				l.abandon(errClosed)
			}
			return
		}
		w.setWake()
	}
}

// gather waits for a job, or for the time when a message becomes visible, and takes what waits along with it. Under load it waits a little
// longer: those whose calls were just answered come back with the next, and one fsync for them all is what makes them fast.
func (w *writer) gather() (batch []*job, open bool) {
	bytes := 0
	add := func(j *job) {
		if j.claim() {
			batch = append(batch, j)
			bytes += j.bytes
		}
	}
	select {
	case j, ok := <-w.jobs:
		if !ok {
			return nil, false
		}
		add(j)
	case <-w.wake.C:
	}
	busy := w.last >= busyBatch && len(batch) > 0
	until := time.Now().Add(gatherFor)
	for len(batch) < maxBatch && bytes < maxBatchBytes {
		select {
		case j, ok := <-w.jobs:
			if !ok {
				return batch, false
			}
			add(j)
			continue
		default:
		}
		if !busy || len(batch) >= fullBatch {
			break
		}
		w.patience.Reset(min(gatherGap, time.Until(until)))
		select {
		case j, ok := <-w.jobs:
			if !ok {
				return batch, false
			}
			add(j)
		case <-w.patience.C:
			busy = false
		}
	}
	return batch, true
}

// setWake sets the timer to when the first message becomes visible by itself that somebody waits for, or, where the engine fails and so
// nobody knows what is visible, to when to try again.
func (w *writer) setWake() {
	next := int64(0)
	for _, l := range w.lanes {
		if len(l.waiters) == 0 {
			continue
		}
		n := l.nextVisible()
		if w.failing {
			n = time.Now().Add(retryAfter).UnixMilli()
		}
		if n > 0 {
			next = earlier(next, n)
		}
	}
	w.wake.Stop()
	if next > 0 {
		w.wake.Reset(time.Until(time.UnixMilli(next)))
	}
}
