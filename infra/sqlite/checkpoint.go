package sqlite

import (
	"context"
	"errors"
)

// checkpointBytes is roughly how much is written before the log is copied into the database file. SQLite would do that inside a commit, and
// one call in a thousand would wait for it; here it is done beside the writer. Only where that does not keep up (40,000 pages, see
// newWriter) does a commit do it after all, so that the log stays bounded. The more comes together, the more often a page that
// was written many times is copied once; the copies' fsync is what commits have to share the disk with.
const checkpointBytes = 16 << 20

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
