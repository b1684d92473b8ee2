package tenants

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Change does one administrative change of a tenant: it asks f what to write, given the tenant as it is, and writes that if
// no other such change came in between, else asks again. So what f reads of the tenant's administrative rows (its keys, its
// sources, how many there are) holds at the moment of the write, and f needs no conditions of its own. No ops: nothing is done.
//
// Every node is told. A tenant that is gone or being deleted: NotFound tenant_not_found. Too much going on at once: Conflict
// changed_meanwhile. At most 99 ops.
func (a *Accounts) Change(ctx context.Context, id TenantID, f func(Tenant) ([]Op, error)) error {
	return a.change(ctx, id, func(t Tenant) ([]Op, error) {
		if t.Closing {
			return nil, tenantNotFound()
		}
		return f(t)
	})
}

// change is Change for a tenant that is being deleted too. What serialises is the version row, which every change puts at
// the version that it found.
func (a *Accounts) change(ctx context.Context, id TenantID, f func(Tenant) ([]Op, error)) error {
	const tries = 12
	for try := range tries {
		if try > 0 {
			if err := pause(ctx, rand.N(time.Millisecond<<min(try, 6))); err != nil {
				return err
			}
		}
		t, was, err := a.look(ctx, id)
		if err != nil {
			return err
		}
		ops, err := f(t)
		if err != nil || len(ops) == 0 {
			return err
		}
		ops = append(ops, Put(versionKey(id), emptyRecord, time.Time{}, was))
		err = a.table.Write(ctx, ops...)
		if _, refused := errors.AsType[*RefusedError](err); refused {
			continue
		}
		a.Forget(id) // whatever came of it
		if err != nil {
			return err
		}
		_ = a.news.send(ctx, id) // a node that could not be told finds out by the version row
		return nil
	}
	return Errorf(Conflict, "changed_meanwhile", "others are changing the same account; try again")
}

// look reads the version that the tenant is at, then the tenant: whatever changes from then on makes a write at that version fail.
func (a *Accounts) look(ctx context.Context, id TenantID) (Tenant, Condition, error) {
	was := Absent()
	if !ValidID(PrefixTenant, string(id)) {
		return Tenant{}, was, tenantNotFound()
	}
	row, err := a.table.Get(ctx, versionKey(id))
	switch {
	case err == nil:
		was = At(row.Version)
	case KindOf(err) != NotFound:
		return Tenant{}, was, err
	}
	t, err := a.Get(ctx, id)
	return t, was, err
}

// pause waits, or fails when ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	if !wait(ctx, d) {
		return Errorf(Unavailable, "cancelled", "%w", ctx.Err())
	}
	return nil
}

// VersionTenant tells whether c is news of a tenant: a version row that was put.
func (c Change) VersionTenant() (TenantID, bool) {
	return c.Row.Tenant, !c.Deleted && c.Row.Key == versionKey(c.Row.Tenant)
}
