package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// Table is the tenants.Table of a DB.
type Table struct{ db *DB }

var _ tenants.Table = Table{}

// Table returns the database's one table.
func (db *DB) Table() Table { return Table{db} }

// Get implements tenants.Table.
func (t Table) Get(ctx context.Context, k tenants.Key) (tenants.Row, error) {
	if err := contextError(ctx); err != nil {
		return tenants.Row{}, err
	}
	row, expires := tenants.Row{Key: k}, int64(0)
	err := t.db.reads.get.QueryRowContext(ctx, now(), k.Tenant, k.Kind, k.Sort).Scan(&row.Version, &expires, &row.Body)
	if errors.Is(err, sql.ErrNoRows) {
		return tenants.Row{}, tenants.Errorf(tenants.NotFound, "row_not_found", "the row does not exist")
	}
	if err != nil {
		return tenants.Row{}, domainError(err)
	}
	row.Expires = expiry(expires)
	return row, nil
}

// Query implements tenants.Table. Its result is a snapshot, which the port does not require.
func (t Table) Query(ctx context.Context, r tenants.Range) ([]tenants.Row, error) {
	if err := contextError(ctx); err != nil {
		return nil, err
	}
	st := t.db.reads.forward
	if r.Backward {
		st = t.db.reads.backward
	}
	found, err := st.QueryContext(ctx, now(), r.Tenant, r.Kind, r.After, r.Before, r.Limit)
	if err != nil {
		return nil, domainError(err)
	}
	defer found.Close()
	var rows []tenants.Row
	for found.Next() {
		row, expires := tenants.Row{Key: tenants.Key{Tenant: r.Tenant, Kind: r.Kind}}, int64(0)
		if err := found.Scan(&row.Sort, &row.Version, &expires, &row.Body); err != nil {
			return nil, domainError(err)
		}
		row.Expires = expiry(expires)
		rows = append(rows, row)
	}
	if err := found.Err(); err != nil {
		return nil, domainError(err)
	}
	return rows, nil
}

// Write implements tenants.Table.
func (t Table) Write(ctx context.Context, ops ...tenants.Op) error {
	refused := -1
	j := newJob(true, bytesOf(ops), func(x *tx) (err error) {
		refused, err = x.write(ops)
		return err
	})
	if err := t.db.w.do(ctx, j); err != nil {
		return err
	}
	if refused >= 0 {
		return &tenants.RefusedError{Op: refused}
	}
	return nil
}

// WriteEach implements tenants.Table. It writes all ops in one commit.
func (t Table) WriteEach(ctx context.Context, ops ...tenants.Op) (int, error) {
	done := 0
	j := newJob(true, bytesOf(ops), func(x *tx) error {
		for done = range ops {
			if ok, err := x.writeOne(ops[done]); err != nil || !ok {
				return err
			}
		}
		done = len(ops)
		return nil
	})
	if err := t.db.w.do(ctx, j); err != nil {
		return 0, err
	}
	if done < len(ops) {
		return done, &tenants.RefusedError{Op: done}
	}
	return done, nil
}

func now() int64 { return time.Now().Unix() }

func expiry(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

// expirySeconds returns t in seconds since 1970, rounded up, or 0 for never.
func expirySeconds(t time.Time) int64 {
	switch {
	case t.IsZero():
		return 0
	case t.Nanosecond() > 0:
		return max(1, t.Unix()+1)
	default:
		return max(1, t.Unix()) // 0 would mean never
	}
}

// bytesOf returns roughly how many bytes the ops write.
func bytesOf(ops []tenants.Op) (n int) {
	for _, o := range ops {
		n += len(o.Row.Body) + 512
	}
	return n
}
