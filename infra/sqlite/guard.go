package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/hookcast/hookcast/tenants"
	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// lock locks the file at path for this process until the returned handle is closed. It uses SQLite's own exclusive
// lock on an empty database: that works wherever SQLite does, and the operating system releases it when the process
// dies.
func lock(ctx context.Context, path string) (*sql.DB, error) {
	if err := makeFile(path); err != nil {
		return nil, tenants.Errorf(tenants.Internal, "storage_open", "%w", err)
	}
	d, err := open(path, 1, "locking_mode(exclusive)")
	if err != nil {
		return nil, err
	}
	if _, err := d.ExecContext(ctx, "BEGIN EXCLUSIVE"); err != nil {
		d.Close()
		if e, ok := errors.AsType[*driver.Error](err); ok && e.Code()&0xff == lib.SQLITE_BUSY {
			return nil, tenants.Errorf(tenants.Conflict, "storage_in_use",
				"another process has this database open: stop it or use another folder")
		}
		return nil, domainError(err)
	}
	return d, nil
}
