package sqlite

import (
	"context"
	"strconv"
)

// Limit changes the maximum number of pages of the file, like an operator who frees disk space.
func (db *DB) Limit(ctx context.Context, pages int) error {
	return db.w.do(ctx, newJob(false, 0, func(t *tx) error { return t.limit(background, pages) }))
}

// Hold keeps the writer busy until release is called, so that other calls wait.
func (db *DB) Hold(ctx context.Context) (release func()) {
	begun, end := make(chan struct{}), make(chan struct{})
	go db.w.do(ctx, newJob(false, 0, func(*tx) error {
		close(begun)
		<-end
		return nil
	}))
	<-begun
	return func() { close(end) }
}

// Count returns the result of a query for a number. It sees the file itself, including rows that the ports hide.
func (db *DB) Count(ctx context.Context, query string) (n int, err error) {
	err = db.read.QueryRowContext(ctx, query).Scan(&n)
	return n, err
}

// SetSchema sets the schema version of the file.
func (db *DB) SetSchema(ctx context.Context, version int) error {
	return db.w.do(ctx, newJob(true, 0, func(t *tx) error {
		_, err := t.conn.ExecContext(background, "PRAGMA user_version = "+strconv.Itoa(version))
		return err
	}))
}
