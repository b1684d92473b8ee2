package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"time"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// tx is the writer's open transaction.
type tx struct {
	*writer
	sec     int64  // the time of the transaction, in seconds since 1970
	ms      int64  // the same in milliseconds
	changed bool   // it wrote something
	news    bool   // it recorded a change for the feeds
	served  []*job // waiting receivers that now have messages
}

var background = context.Background()

// serve runs a batch and the waiting receivers in one transaction. If that fails, it runs each call in a transaction
// of its own, and then the receivers. A call that is too large for the space left must not prevent calls that fit or
// that free space.
func (w *writer) serve(batch []*job) {
	w.last = len(batch)
	w.counts.calls.Add(uint64(len(batch)))
	err := w.attempt(batch, true)
	switch {
	case err == nil:
	case len(batch) == 0:
	default:
		for _, j := range batch {
			if j.waited {
				continue
			}
			if err := w.attempt([]*job{j}, false); err != nil {
				j.fail(err)
			}
		}
		w.attempt(nil, true) // if this fails too, the receivers continue to wait; see setWake
	}
}

// attempt runs the batch and commits it. With receivers it also runs the receivers that wait for messages that may be
// visible now. On success every call has its result. On failure nothing was written and the calls of the batch have
// no result yet.
func (w *writer) attempt(batch []*job, receivers bool) (err error) {
	w.failing = true
	durable := false
	for _, j := range batch {
		durable = durable || j.durable
	}
	now := time.Now()
	t := &tx{writer: w, sec: now.Unix(), ms: now.UnixMilli()}
	if err := w.begin(durable); err != nil {
		w.counts.failed.Add(1)
		return err
	}
	defer func() {
		if err != nil {
			w.rollback(t, err)
		}
	}()
	for _, j := range batch {
		if err := j.run(t); err != nil {
			return err
		}
		if j.waits {
			j.lane.enqueue(j)
		}
	}
	if receivers {
		for _, l := range w.lanes {
			if err := l.serveWaiters(t); err != nil {
				return err
			}
		}
	}
	if _, err := w.st.commit.ExecContext(background); err != nil {
		return err
	}
	w.failing = false
	w.committed(t, batch, durable)
	return nil
}

// begin opens a transaction. Its commit waits for the disk only if durable. Receiving, finishing and releasing
// messages need not be durable: without an fsync they still outlive the process, as the count of receives requires.
// If the machine fails, a message may be received once more, as if the machine had failed a moment earlier. The next
// durable commit writes them to the disk too.
func (w *writer) begin(durable bool) error {
	mode := w.synchronous
	if mode == "FULL" && !durable {
		mode = "NORMAL"
	}
	if w.suspect && durable {
		// After a failed fsync the kernel may regard pages as written that are not, including those of earlier
		// commits in the log. They are safe again once they are in the database file itself.
		if err := w.checkpoint("TRUNCATE"); err != nil {
			return err
		}
		w.suspect = false
	}
	if err := w.setSynchronous(mode); err != nil {
		return err
	}
	_, err := w.st.begin.ExecContext(background)
	return err
}

func (w *writer) committed(t *tx, batch []*job, durable bool) {
	if t.changed {
		w.counts.commits.Add(1)
		if durable && w.synchronous == "FULL" {
			w.counts.syncs.Add(1)
		}
	}
	for _, l := range w.lanes {
		l.keep()
	}
	for _, j := range batch {
		w.grown += j.bytes + 2048
		if !j.waited {
			j.done <- nil
		}
	}
	for _, j := range t.served {
		j.done <- nil
	}
	if t.news {
		w.news.send()
	}
	if w.grown > checkpointBytes {
		w.grown = 0
		select {
		case w.full <- struct{}{}:
		default:
		}
	}
}

func (w *writer) rollback(t *tx, cause error) {
	w.counts.failed.Add(1)
	if e, ok := errors.AsType[*driver.Error](cause); ok && e.Code()&0xff == lib.SQLITE_IOERR {
		w.suspect = true
	}
	w.st.rollback.ExecContext(background) // fails if SQLite has already rolled back
	for _, l := range w.lanes {
		l.undo()
	}
	for _, j := range t.served {
		j.forget()
		j.lane.enqueue(j)
	}
}

// execute runs a statement that writes, and returns the number of rows it wrote.
func (t *tx) execute(st *sql.Stmt, args ...any) (int64, error) {
	res, err := st.ExecContext(background, args...)
	if err != nil {
		return 0, err
	}
	n, err := res.RowsAffected()
	t.changed = t.changed || n > 0
	return n, err
}
