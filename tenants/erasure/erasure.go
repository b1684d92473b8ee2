package erasure

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/account"
	"github.com/hookcast/hookcast/tenants/delivery"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/job"
	"github.com/hookcast/hookcast/tenants/node"
	"github.com/hookcast/hookcast/tenants/projection"
	"github.com/hookcast/hookcast/tenants/proxy"
	"github.com/hookcast/hookcast/tenants/record"
	"github.com/hookcast/hookcast/tenants/source"
	"github.com/hookcast/hookcast/tenants/worker"
)

// Erasure deletes tenants and removes the rows that they have left. Any number may run at once.
type Erasure struct {
	accounts *account.Accounts
	table    tenants.Table

	Logger *slog.Logger // nil: discards
}

// NewErasure returns an Erasure of the tenants of accounts.
func NewErasure(t tenants.Table, accounts *account.Accounts) *Erasure {
	return &Erasure{accounts: accounts, table: t}
}

const (
	rowClosing tenants.Kind = "list/closing" // System, tenant id: deleted, and not erased yet

	closingRest  = time.Minute // after which no process uses what it has cached of the tenant
	closingWatch = time.Hour
	erasePage    = 100 // rows
	atOncePage   = 10  // rows that are removed with their lookup rows in one write
)

// closing is the row of a tenant that is being erased.
type closing struct{ Since time.Time }

// Run erases until nothing is left or ctx ends, and returns the number of rows removed. If a tenant cannot be erased it
// goes on with the others; it returns the first error.
func (e *Erasure) Run(ctx context.Context) (erased int, err error) {
	for after := ""; ; {
		rows, failed := e.table.Query(ctx, tenants.Range{Tenant: tenants.System, Kind: rowClosing, After: after,
			Limit: erasePage})
		if failed != nil {
			return erased, failed
		}
		for _, row := range rows {
			n, failed := e.tenant(ctx, row)
			if erased += n; failed != nil && err == nil {
				err = failed
			}
		}
		if len(rows) < erasePage || ctx.Err() != nil {
			return erased, err
		}
		after = rows[len(rows)-1].Sort
	}
}

// Watch calls Run each minute until ctx ends.
func (e *Erasure) Watch(ctx context.Context) {
	for ctx.Err() == nil {
		if _, err := e.Run(ctx); err != nil && ctx.Err() == nil && e.Logger != nil {
			e.Logger.WarnContext(ctx, "some deleted tenants could not be erased completely", "error", err)
		}
		worker.Wait(ctx, time.Minute)
	}
}

// tenant erases the tenant of a closing row, and removes that row when nothing has been left for long enough.
func (e *Erasure) tenant(ctx context.Context, row tenants.Row) (erased int, err error) {
	id := tenants.TenantID(row.Sort)
	c, err := record.Decode[closing](row)
	if err != nil || time.Since(c.Since) < closingRest {
		return 0, err
	}
	if err := e.Delete(ctx, id); err != nil && !tenants.IsNotFound(err) { // completes a Delete that was stopped
		return 0, err
	}
	if erased, err = e.channels(ctx, id); err != nil {
		return erased, err
	}
	for _, kind := range kinds(c.Since) {
		n, err := e.list(ctx, id, kind)
		if erased += n; err != nil {
			return erased, err
		}
	}
	if erased > 0 && e.Logger != nil {
		e.Logger.InfoContext(ctx, "erased data of a deleted tenant", "tenant", id, "rows", erased)
	}
	if erased > 0 || time.Since(c.Since) < closingWatch {
		return erased, nil
	}
	return 0, e.table.Write(ctx, remove(row.Key))
}

// kinds returns the kinds of rows, channels aside, that a tenant deleted at since may have and that can be listed.
func kinds(since time.Time) []tenants.TenantKind {
	return slices.Concat(account.Kinds(), source.Kinds(), endpoint.Kinds(), proxy.Kinds(), delivery.Kinds(),
		job.Kinds(), node.Kinds(), projection.Kinds(since))
}

// pages passes the rows of r to erase, a page at a time, until none is left, and adds up the numbers of rows removed.
func (e *Erasure) pages(ctx context.Context, r tenants.Range, erase func([]tenants.Row) (int, error)) (int, error) {
	for erased := 0; ; {
		rows, err := e.table.Query(ctx, r)
		if err != nil || len(rows) == 0 {
			return erased, err
		}
		n, err := erase(rows)
		if erased += n; err != nil {
			return erased, err
		}
	}
}

// channels erases every channel: its events, each with its claim, then its head, and last the record by which it is
// found.
func (e *Erasure) channels(ctx context.Context, id tenants.TenantID) (erased int, err error) {
	records := tenants.Range{Tenant: id, Kind: eventlog.RecordKind, Limit: erasePage}
	return e.pages(ctx, records, func(rows []tenants.Row) (erased int, err error) {
		for _, row := range rows {
			ch := tenants.ChannelKey{Tenant: id, Name: row.Sort}
			n, err := e.events(ctx, ch)
			if erased += n; err != nil {
				return erased, err
			}
			if _, err := e.table.WriteEach(ctx, remove(eventlog.HeadKey(ch)), remove(row.Key)); err != nil {
				return erased, err
			}
			erased += 2
		}
		return erased, nil
	})
}

func (e *Erasure) events(ctx context.Context, ch tenants.ChannelKey) (erased int, err error) {
	log := tenants.Range{Tenant: ch.Tenant, Kind: eventlog.EventKind(ch), Limit: erasePage}
	return e.pages(ctx, log, func(rows []tenants.Row) (int, error) {
		ops := make([]tenants.Op, 0, 2*len(rows))
		for _, row := range rows {
			if event, err := tenants.DecodeEvent(row.Body); err == nil { // without an id there is no claim to find
				ops = append(ops, remove(eventlog.ClaimKey(ch.Tenant, event.ID)))
			}
			ops = append(ops, remove(row.Key))
		}
		return e.table.WriteEach(ctx, ops...)
	})
}

// list erases the rows of one kind. Those that must go at once go with their lookup rows, all or nothing.
func (e *Erasure) list(ctx context.Context, id tenants.TenantID, kind tenants.TenantKind) (erased int, err error) {
	page := erasePage
	if kind.AtOnce {
		page = atOncePage
	}
	return e.pages(ctx, tenants.Range{Tenant: id, Kind: kind.Kind, Limit: page}, func(rows []tenants.Row) (int, error) {
		ops := make([]tenants.Op, 0, len(rows))
		for _, row := range rows {
			if kind.Lookups != nil {
				lookups, err := kind.Lookups(row)
				if err != nil {
					return 0, err
				}
				for _, k := range lookups {
					ops = append(ops, remove(k))
				}
			}
			ops = append(ops, remove(row.Key))
		}
		if !kind.AtOnce {
			return e.table.WriteEach(ctx, ops...)
		}
		if err := e.table.Write(ctx, ops...); err != nil {
			return 0, err
		}
		return len(ops), nil
	})
}

// Delete ends a tenant for good. Its first write marks the tenant as closing (see Accounts.Close); then the rows that
// must go at once are removed, and last the tenant itself. If it stops in between (Unavailable), calling it again
// continues, and so does Run, which also erases the tenant's data. The id is never used again, since ids are random.
func (e *Erasure) Delete(ctx context.Context, id tenants.TenantID) error {
	now := time.Now()
	mark := tenants.Key{Tenant: tenants.System, Kind: rowClosing, Sort: string(id)}
	err := e.accounts.Close(ctx, id, tenants.Put(mark, record.Encode(closing{now.UTC()}), time.Time{},
		tenants.Anything()))
	if err != nil {
		return err
	}
	for _, kind := range kinds(now) {
		if kind.AtOnce {
			if _, err := e.list(ctx, id, kind); err != nil {
				return err
			}
		}
	}
	return e.accounts.Remove(ctx, id)
}

func remove(k tenants.Key) tenants.Op { return tenants.Delete(k, tenants.Anything()) }
