package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"time"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// tx is the writer's open transaction.
type tx struct {
	*writer
	sec     int64  // the time of all that it does, in seconds
	ms      int64  // and in milliseconds
	changed bool   // something was written
	news    bool   // of it something that the feeds tell
	served  []*job // receivers that waited, and now have messages
}

var background = context.Background()

// serve does a batch in one transaction, and with it the receivers that wait. Where that fails each call gets a transaction of its own, and the
// receivers theirs, so that one that is too large for the room that is left does not take along those that would fit, or that would make
// room.
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
		w.attempt(nil, true) // where that fails too they go on waiting, see setWake
	}
}

// attempt runs the batch, and where asked the receivers that wait for what it makes visible, and commits. Where it succeeds every call has its
// answer; where it fails nothing happened, and the calls of the batch have none yet.
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

// begin opens a transaction whose commit waits for the disk only where it must. What receivers do to messages need not: it outlives the
// process as it is, which is what the count of receives is for, and where the machine fails a message comes once more, as it
// would have if the machine had failed a moment earlier. The next commit that waits takes it along.
func (w *writer) begin(durable bool) error {
	mode := w.synchronous
	if mode == "FULL" && !durable {
		mode = "NORMAL"
	}
	if w.suspect && durable {
		// After a failed fsync the kernel may take pages for written that are not, earlier commits in the log among them. They are
		// safe again once they are in the database file itself.
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
	w.st.rollback.ExecContext(background) // fails where SQLite has rolled back by itself
	for _, l := range w.lanes {
		l.undo()
	}
	for _, j := range t.served {
		j.forget()
		j.lane.enqueue(j)
	}
}

// execute runs a statement that writes, and returns how many rows it wrote.
func (t *tx) execute(st *sql.Stmt, args ...any) (int64, error) {
	res, err := st.ExecContext(background, args...)
	if err != nil {
		return 0, err
	}
	n, err := res.RowsAffected()
	t.changed = t.changed || n > 0
	return n, err
}

func itoa(n int) string { return strconv.Itoa(n) }
