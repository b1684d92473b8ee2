package sqlite

import (
	"context"
	"errors"
)

// checkpointBytes is roughly how much the log grows before it is copied into the database file. SQLite would do that inside a commit, and
// one call in a thousand would wait for it; here it is done beside the writer. Only where that does not keep up (8,000 pages, see
// newWriter) does a commit do it after all, so that the log stays bounded.
const checkpointBytes = 4 << 20

func (db *DB) checkpoints(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-db.w.full:
			// What goes wrong here goes wrong in a commit too, which tells somebody.
			db.copier.ExecContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)")
		}
	}
}

var errLogBusy = errors.New("the log cannot be emptied: a reader is at it")

// checkpoint copies the whole log into the database file, from the writer's goroutine.
func (w *writer) checkpoint(mode string) error {
	var busy, frames, copied int
	err := w.conn.QueryRowContext(background, "PRAGMA wal_checkpoint("+mode+")").Scan(&busy, &frames, &copied)
	if err == nil && busy != 0 {
		err = errLogBusy
	}
	return err
}
