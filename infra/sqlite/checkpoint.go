package sqlite

import (
	"context"
	"errors"
)

// checkpointBytes is roughly how many bytes are written before the log is copied into the database file. By default
// SQLite copies it inside a commit, and one call in a thousand has to wait for that; here another goroutine does it.
// Only if it falls behind (40,000 pages, see newWriter) does a commit copy the log, which bounds the log's size. A
// larger value copies pages less often that are written many times, and causes fewer fsyncs that compete with those
// of commits.
const checkpointBytes = 16 << 20

func (db *DB) checkpoints(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-db.w.full:
			// The error is ignored: the same failure occurs in a commit, which reports it.
			db.copier.ExecContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)")
		}
	}
}

var errLogBusy = errors.New("the log cannot be emptied while a reader uses it")

// checkpoint copies the whole log into the database file. Only the writer's goroutine calls it.
func (w *writer) checkpoint(mode string) error {
	var busy, frames, copied int
	err := w.conn.QueryRowContext(background, "PRAGMA wal_checkpoint("+mode+")").Scan(&busy, &frames, &copied)
	if err == nil && busy != 0 {
		err = errLogBusy
	}
	return err
}
