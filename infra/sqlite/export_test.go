package sqlite

import "context"

// Limit changes how many pages the file may have, as an operator who makes room does.
func (db *DB) Limit(ctx context.Context, pages int) error {
	return db.w.do(ctx, newJob(false, 0, func(t *tx) error { return t.limit(background, pages) }))
}

// Hold has the writer at work until release is called: what comes meanwhile waits.
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

// Count returns what a query that counts gives, of the file and not of what the ports show.
func (db *DB) Count(ctx context.Context, query string) (n int, err error) {
	err = db.read.QueryRowContext(ctx, query).Scan(&n)
	return n, err
}

// SetSchema makes the file look like one of another version.
func (db *DB) SetSchema(ctx context.Context, version int) error {
	return db.w.do(ctx, newJob(true, 0, func(t *tx) error {
		_, err := t.conn.ExecContext(background, "PRAGMA user_version = "+itoa(version))
		return err
	}))
}
