package sqlite

import (
	"context"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hookcast/hookcast/infra/privatefile"
	"github.com/hookcast/hookcast/tenants"
	_ "modernc.org/sqlite"
)

// Options configures a DB. The zero value is for production.
type Options struct {
	// Synchronous is FULL or OFF; "" means FULL. OFF can lose acknowledged writes when the machine fails; it exists
	// for benchmarks.
	Synchronous string

	// MaxPages limits the size of the file, in pages of 4 KiB. A larger file counts as a full disk. 0 means no limit.
	MaxPages int

	// SweepEvery is the interval at which expired rows, old deduplication ids and changes that every feed has seen
	// are removed; 0 means every minute.
	SweepEvery time.Duration

	// Feeds reports whether changes of rows of a kind are recorded for feeds, so that the others cost nothing; nil
	// records all.
	Feeds func(tenants.Kind) bool
}

// DB is an open database. Its methods are safe for concurrent use.
type DB struct {
	path   string
	guard  *sql.DB // holds the lock that keeps other processes out
	read   *sql.DB
	copier *sql.DB // copies the log into the database file
	reads  readStatements
	w      *writer

	stop context.CancelFunc
	work sync.WaitGroup // the writer, the sweeper and the checkpointer

	closing sync.Once
	closed  error
}

// Open opens the database at path and creates it if it does not exist. Its files have mode 0600, including those that
// SQLite creates next to it. The folder must exist. The error has kind Conflict and code storage_in_use if another
// process has the database open. ctx limits only the opening.
func Open(ctx context.Context, path string, o Options) (_ *DB, err error) {
	if o.Synchronous == "" {
		o.Synchronous = "FULL"
	}
	if o.Synchronous != "FULL" && o.Synchronous != "OFF" {
		return nil, tenants.Errorf(tenants.Internal, "storage_option", "synchronous must be FULL or OFF")
	}
	if o.SweepEvery == 0 {
		o.SweepEvery = time.Minute
	}
	db := &DB{path: path}
	defer func() {
		if err != nil {
			db.Close()
		}
	}()
	if db.guard, err = lock(ctx, path+"-lock"); err != nil {
		return nil, err
	}
	if err := makeFile(path); err != nil {
		return nil, tenants.Errorf(tenants.Internal, "storage_open", "%w", err)
	}
	if db.w, err = newWriter(ctx, path, o); err != nil {
		return nil, err
	}
	if db.read, err = open(path, 4, busyTimeout, "query_only(1)"); err != nil {
		return nil, err
	}
	if db.copier, err = open(path, 1, busyTimeout, "synchronous("+o.Synchronous+")"); err != nil {
		return nil, err
	}
	if db.reads, err = prepareReads(ctx, db.read); err != nil {
		return nil, domainError(err)
	}
	life, stop := context.WithCancel(context.Background())
	db.stop = stop
	db.work.Go(db.w.run)
	db.work.Go(func() { db.sweepEvery(life, o.SweepEvery) })
	db.work.Go(func() { db.checkpoints(life) })
	return db, nil
}

// Close waits for calls in progress and closes the file. Later calls return an error of kind Unavailable.
func (db *DB) Close() error {
	db.closing.Do(func() {
		if db.stop != nil {
			db.stop()
			db.w.close()
			db.work.Wait()
		}
		for _, d := range []*sql.DB{db.read, db.copier, db.w.handle(), db.guard} {
			if d != nil {
				if err := d.Close(); err != nil && db.closed == nil {
					db.closed = domainError(err)
				}
			}
		}
	})
	return db.closed
}

// busyTimeout makes a connection wait for the lock of another one. The writer has no rivals, but a reader may have to
// wait for the recovery of a log.
const busyTimeout = "busy_timeout(5000)"

// open returns a handle with at most conns connections.
func open(path string, conns int, pragmas ...string) (*sql.DB, error) {
	q := url.Values{"_pragma": append(pragmas, "temp_store(memory)")}
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}
	d, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, domainError(err)
	}
	d.SetMaxOpenConns(conns)
	d.SetMaxIdleConns(conns)
	return d, nil
}

// makeFile creates an empty file at path if there is none, and sets its mode to 0600. SQLite gives its other files
// the same mode.
func makeFile(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Chmod(0o600); err != nil {
		return err
	}
	return privatefile.SyncFolder(filepath.Dir(path))
}
