package sqlite

import "context"

// Limit changes how many pages the file may have, as an operator who makes room does.
func (db *DB) Limit(ctx context.Context, pages int) error {
	return db.w.do(ctx, newJob(false, 0, func(t *tx) error { return t.limit(background, pages) }))
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
