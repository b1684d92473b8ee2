package sqlite

import (
	"context"
	"errors"
	"time"

	"github.com/hookcast/hookcast/tenants"
	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// domainError converts an error of SQLite's to a *tenants.Error. Its code is storage_full if there is no space left,
// storage_damaged (kind Internal) if the file or a statement is not valid, and storage_unavailable otherwise.
func domainError(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*tenants.Error](err); ok {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return tenants.Errorf(tenants.Unavailable, "cancelled", "%w", err)
	}
	out := tenants.Errorf(tenants.Unavailable, "storage_unavailable", "%w", err)
	if e, ok := errors.AsType[*driver.Error](err); ok {
		switch e.Code() & 0xff {
		case lib.SQLITE_FULL:
			out.Code, out.RetryAfter = "storage_full", 5*time.Second
		case lib.SQLITE_INTERRUPT:
			out.Code = "cancelled"
		case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB, lib.SQLITE_MISUSE, lib.SQLITE_CONSTRAINT, lib.SQLITE_ERROR:
			out.Kind, out.Code = tenants.Internal, "storage_damaged"
		}
	}
	return out
}

var errClosed = tenants.Errorf(tenants.Unavailable, "storage_closed", "the database is closed")

func contextError(ctx context.Context) error { return domainError(ctx.Err()) }
