package record

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// ErrContended is the error of Update if other writers were first at each of its tries. The row is as they left it.
var ErrContended = errors.New("record: other writers were first at each try")

// updateTries bounds Update. A refused try means that another writer succeeded, so only a row that many processes write
// without pause comes near the bound.
const updateTries = 64

// Update changes the record in the row at k by optimistic concurrency. It reads the row, calls f with the record and
// the condition under which the row is still as it was read (Absent, with the zero record, if there is no row), and
// writes the ops that f returns, all or nothing. If the write is refused, Update pauses for a short random time,
// reads again and calls f again, up to 64 times; then it returns ErrContended. With no ops, or an error, from f
// nothing is written.
//
// The ops must hold a put, delete or check of the row under that condition; f may add ops of other rows. After an
// error of kind Unavailable the write may have happened.
func Update[T any](ctx context.Context, t tenants.Table, k tenants.Key,
	f func(now T, was tenants.Condition) ([]tenants.Op, error)) error {
	for try := range updateTries {
		if try > 0 {
			if err := pause(ctx, rand.N(time.Millisecond<<min(try, 6))); err != nil {
				return err
			}
		}
		now, was, err := Find[T](ctx, t, k)
		if err != nil {
			return err
		}
		ops, err := f(now, was)
		if err != nil || len(ops) == 0 {
			return err
		}
		if err = t.Write(ctx, ops...); !tenants.IsRefused(err) {
			return err
		}
	}
	return ErrContended
}

// Find returns the record in the row at k and the condition under which the row is still as it was read: Absent, with
// the zero record, if there is no row.
func Find[T any](ctx context.Context, t tenants.Table, k tenants.Key) (T, tenants.Condition, error) {
	var v T
	row, err := t.Get(ctx, k)
	if tenants.IsNotFound(err) {
		return v, tenants.Absent(), nil
	} else if err != nil {
		return v, tenants.Condition{}, err
	}
	v, err = Decode[T](row)
	return v, tenants.At(row.Version), err
}

// pause waits for d and fails if ctx ends first. Package worker has the same as Pause, and is on this package's floor.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return tenants.Errorf(tenants.Unavailable, "cancelled", "%w", ctx.Err())
	}
}
