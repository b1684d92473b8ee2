package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/hookcast/hookcast/tenants"
)

// migrations are the scripts that take the schema from each version (PRAGMA user_version) to the next. A released
// script never changes.
//
// Times are in milliseconds since 1970; expires is in seconds.
var migrations = []string{
	`
	CREATE TABLE rows (
		tenant  TEXT    NOT NULL,
		kind    TEXT    NOT NULL,
		sort    TEXT    NOT NULL,
		version INTEGER NOT NULL,
		expires INTEGER NOT NULL, -- 0: never
		body    BLOB    NOT NULL
	) STRICT;
	CREATE UNIQUE INDEX rows_key ON rows (tenant, kind, sort);
	CREATE INDEX rows_expires ON rows (expires) WHERE expires > 0;

	CREATE TABLE feeds (
		name     TEXT    PRIMARY KEY,
		position INTEGER NOT NULL -- the last change that was done
	) STRICT, WITHOUT ROWID;
	CREATE TABLE changes (       -- empty as long as there is no feed
		seq    INTEGER PRIMARY KEY,
		tenant TEXT    NOT NULL,
		kind   TEXT    NOT NULL,
		sort   TEXT    NOT NULL
	) STRICT;

	CREATE TABLE messages (
		id       INTEGER PRIMARY KEY, -- in order of Send
		queue    TEXT    NOT NULL,
		grp      TEXT    NOT NULL,    -- '': none
		dedupe   TEXT    NOT NULL,
		sent     INTEGER NOT NULL,
		visible  INTEGER NOT NULL,    -- hidden before then
		held     INTEGER NOT NULL,    -- 1: hidden because a receiver has it
		receives INTEGER NOT NULL,
		body     BLOB    NOT NULL
	) STRICT;
	CREATE INDEX messages_grouped ON messages (queue, grp, id) WHERE grp <> '';
	CREATE INDEX messages_loose ON messages (queue, visible, id) WHERE grp = '';

	CREATE TABLE dedupes (
		queue  TEXT    NOT NULL,
		dedupe TEXT    NOT NULL,
		until  INTEGER NOT NULL,
		PRIMARY KEY (queue, dedupe)
	) STRICT, WITHOUT ROWID;
	CREATE INDEX dedupes_until ON dedupes (until);
	`,
}

// migrate brings the schema up to date. It refuses a file with a later version with code storage_newer.
func migrate(ctx context.Context, conn *sql.Conn) error {
	var version int
	if err := conn.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return domainError(err)
	}
	if version > len(migrations) {
		return tenants.Errorf(tenants.Internal, "storage_newer",
			"the database has schema version %d, but this program supports at most %d: use a newer program",
			version, len(migrations))
	}
	for ; version < len(migrations); version++ {
		script := fmt.Sprintf("BEGIN IMMEDIATE; %s; PRAGMA user_version = %d; COMMIT", migrations[version], version+1)
		if _, err := conn.ExecContext(ctx, script); err != nil {
			return domainError(err)
		}
	}
	return nil
}
