package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/hookcast/hookcast/tenants"
	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// lock takes the file at path for this process, for as long as the handle it returns is open. The lock is an exclusive one of SQLite's own on
// an empty database: it works wherever SQLite does, and the system drops it when the process dies in whatever way.
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
			return nil, tenants.Errorf(tenants.Conflict, "storage_in_use", "another process has this database open; stop it, or use another folder")
		}
		return nil, engine(err)
	}
	return d, nil
}
