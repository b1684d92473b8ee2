package sqlite

import (
	"context"
	"database/sql"
	"strconv"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

const (
	maxBatch      = 512     // calls in one commit
	maxBatchBytes = 4 << 20 // bytes written in one commit, roughly
	// calls in the previous commit from which on the writer waits for more; a lone caller never waits
	busyBatch  = 8
	fullBatch  = 64                     // calls in one commit for which it does not wait for more
	gatherFor  = 8 * time.Millisecond   // longest time to wait for more calls
	gatherGap  = time.Millisecond       // time without a new call after which it stops waiting
	retryAfter = 100 * time.Millisecond // until waiting receivers are tried again after a failure
)

// writer does all writing. Callers use the fields from jobs to full; only its own goroutine uses the others.
type writer struct {
	db   *sql.DB
	conn *sql.Conn
	st   writeStatements

	jobs   chan *job
	mu     sync.RWMutex // guards closed; held for reading while a job is sent to jobs
	closed bool
	laneMu sync.Mutex
	named  map[string]*lane // all lanes by name; guarded by laneMu
	counts counts
	news   broadcast     // sent when a change for the feeds is committed
	full   chan struct{} // tells the checkpointer that the log has grown; holds one value

	synchronous string                  // FULL or OFF, from Options
	feedKinds   func(tenants.Kind) bool // Feeds from Options
	current     string                  // SQLite's present setting of synchronous
	lanes       []*lane                 // lanes in use
	wake        *time.Timer
	patience    *time.Timer
	last        int   // calls in the previous batch
	grown       int   // bytes written since the checkpointer was told, roughly
	nextMessage int64 // next id of a message and next number of a change; a process uses none twice
	nextChange  int64
	feeds       int  // number of feeds; without feeds no change is recorded
	suspect     bool // an fsync may have failed
	failing     bool // the last transaction was rolled back
}

func newWriter(ctx context.Context, path string, o Options) (*writer, error) {
	d, err := open(path, 1, busyTimeout, "cache_size(-8000)", "wal_autocheckpoint(40000)",
		"journal_size_limit(134217728)")
	if err != nil {
		return nil, err
	}
	w := &writer{
		db: d, synchronous: o.Synchronous, feedKinds: o.Feeds, named: map[string]*lane{},
		jobs: make(chan *job, maxBatch),
		full: make(chan struct{}, 1), wake: time.NewTimer(0), patience: time.NewTimer(0),
	}
	w.news.init()
	if err := w.start(ctx, o); err != nil {
		d.Close()
		return nil, domainError(err)
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
	// Receivers do not outlive the process, so the messages that they held are visible again. Their counts of
	// receives stay.
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

// limit sets the maximum number of pages of the file; 0 means SQLite's own limit.
func (w *writer) limit(ctx context.Context, pages int) error {
	if pages == 0 {
		pages = 1<<32 - 2
	}
	_, err := w.conn.ExecContext(ctx, "PRAGMA max_page_count = "+strconv.Itoa(pages))
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

// close refuses further jobs. The writer ends once it has run those that are queued.
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

// gather waits for a job, or for the time when a message becomes visible, and then returns all queued jobs up to the
// limits. Under load it waits a little longer: callers that just got their result usually come back with the next
// call, and sharing one fsync makes all of them faster.
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

// setWake sets the timer to the time when the first message becomes visible that a receiver waits for. After a failed
// transaction it is not known which messages are visible; then the timer is set to the next retry.
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
