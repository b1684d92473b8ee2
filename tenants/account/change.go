package account

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
	"github.com/hookcast/hookcast/tenants/worker"
)

// Change does one administrative change of a tenant: it asks f what to write, given the tenant as it is, and writes that if
// no other such change came in between, else asks again. So what f reads of the tenant's administrative rows (its keys, its
// sources, how many there are) holds at the moment of the write, and f needs no conditions of its own. No ops: nothing is done.
//
// Every node is told. A tenant that is gone or being deleted: NotFound tenant_not_found. Too much going on at once: Conflict
// changed_meanwhile. At most 99 ops.
func (a *Accounts) Change(ctx context.Context, id tenants.TenantID, f func(tenants.Tenant) ([]tenants.Op, error)) error {
	return a.change(ctx, id, func(t tenants.Tenant) ([]tenants.Op, error) {
		if t.Closing {
			return nil, tenantNotFound()
		}
		return f(t)
	})
}

// change is Change for a tenant that is being deleted too. What serialises is the version row, which every change puts at
// the version that it found.
func (a *Accounts) change(ctx context.Context, id tenants.TenantID, f func(tenants.Tenant) ([]tenants.Op, error)) error {
	const tries = 12
	for try := range tries {
		if try > 0 {
			if err := worker.Pause(ctx, rand.N(time.Millisecond<<min(try, 6))); err != nil {
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
		ops = append(ops, tenants.Put(tenants.VersionKey(id), record.Empty, time.Time{}, was))
		err = a.table.Write(ctx, ops...)
		if _, refused := errors.AsType[*tenants.RefusedError](err); refused {
			continue
		}
		a.Forget(id) // whatever came of it
		if err != nil {
			return err
		}
		_ = a.news.send(ctx, id) // a node that could not be told finds out by the version row
		return nil
	}
	return tenants.Errorf(tenants.Conflict, "changed_meanwhile", "others are changing the same account; try again")
}

// look reads the version that the tenant is at, then the tenant: whatever changes from then on makes a write at that version fail.
func (a *Accounts) look(ctx context.Context, id tenants.TenantID) (tenants.Tenant, tenants.Condition, error) {
	was := tenants.Absent()
	if !tenants.ValidID(tenants.PrefixTenant, string(id)) {
		return tenants.Tenant{}, was, tenantNotFound()
	}
	row, err := a.table.Get(ctx, tenants.VersionKey(id))
	switch {
	case err == nil:
		was = tenants.At(row.Version)
	case tenants.KindOf(err) != tenants.NotFound:
		return tenants.Tenant{}, was, err
	}
	t, err := a.Get(ctx, id)
	return t, was, err
}
