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

// Erasure takes away what deleted tenants have left: events, claims, heads, lists. Delete ends a tenant within one request; how much there is to
// erase has no bound, so that it is done behind, a page at a time, by whoever runs this each minute or so. Any number may, at once; one that is
// stopped anywhere is gone on with by the next. What is no list (idempotency keys, counts of slots, traces) leaves by its expiry.
//
// A tenant's messages that still wait in queues are dropped by who receives them (Appender.Tenants). A worker that was frozen through all of it may put a
// row behind the erasure, so that a tenant is looked at for closingWatch, and done once nothing is found behind that.
type Erasure struct {
	accounts *account.Accounts
	table    tenants.Table

	Logger *slog.Logger // nil: discards
}

// NewErasure makes an Erasure of the tenants that accounts has deleted.
func NewErasure(t tenants.Table, accounts *account.Accounts) *Erasure {
	return &Erasure{accounts: accounts, table: t}
}

const (
	rowClosing tenants.Kind = "list/closing" // sys, tenant id: deleted, and not erased yet

	closingRest  = time.Minute // in which every process forgets what it remembers of the tenant
	closingWatch = time.Hour
	erasePage    = 100 // rows, two ops each
)

// closing is the row of a tenant that is being erased.
type closing struct{ Since time.Time }

func closingOp(id tenants.TenantID, now time.Time) tenants.Op {
	return tenants.Put(tenants.Key{Tenant: tenants.System, Kind: rowClosing, Sort: string(id)}, record.Encode(closing{now.UTC()}), time.Time{}, tenants.Anything())
}

// Run erases until nothing is left or ctx ends, and returns how many rows went. It goes on behind a tenant that cannot be erased and returns the first error.
func (e *Erasure) Run(ctx context.Context) (erased int, err error) {
	for after := ""; ; {
		rows, failed := e.table.Query(ctx, tenants.Range{Tenant: tenants.System, Kind: rowClosing, After: after, Limit: erasePage})
		if failed != nil {
			return erased, failed
		}
		for _, row := range rows {
			n, failed := e.tenant(ctx, row)
			erased += n
			if failed != nil && err == nil {
				err = failed
			}
		}
		if len(rows) < erasePage || ctx.Err() != nil {
			return erased, err
		}
		after = rows[len(rows)-1].Sort
	}
}

// Watch runs each minute until ctx ends.
func (e *Erasure) Watch(ctx context.Context) {
	for ctx.Err() == nil {
		if _, err := e.Run(ctx); err != nil && ctx.Err() == nil && e.Logger != nil {
			e.Logger.WarnContext(ctx, "deleted tenants were not erased whole", "error", err)
		}
		worker.Wait(ctx, time.Minute)
	}
}

// tenant erases one tenant.
func (e *Erasure) tenant(ctx context.Context, row tenants.Row) (erased int, err error) {
	id := tenants.TenantID(row.Sort)
	c, err := record.Decode[closing](row)
	if err != nil || time.Since(c.Since) < closingRest {
		return 0, err
	}
	if err := e.Delete(ctx, id); err != nil && !tenants.IsNotFound(err) { // it was stopped half-way
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
		e.Logger.InfoContext(ctx, "a deleted tenant's data were erased", "tenant", id, "rows", erased)
	}
	if erased > 0 || time.Since(c.Since) < closingWatch {
		return erased, nil
	}
	return 0, e.table.Write(ctx, tenants.Delete(row.Key, tenants.Anything()))
}

// kinds are the kinds of rows, besides channels', that a tenant deleted at since may have and that can be listed.
func kinds(since time.Time) []tenants.TenantKind {
	return slices.Concat(
		account.Kinds(), source.Kinds(), endpoint.Kinds(), proxy.Kinds(), delivery.Kinds(), job.Kinds(), node.Kinds(), projection.Kinds(since))
}

// channels erases every channel: its events, each with its claim, then its head, and last the record that leads here.
func (e *Erasure) channels(ctx context.Context, id tenants.TenantID) (erased int, err error) {
	for {
		rows, err := e.table.Query(ctx, tenants.Range{Tenant: id, Kind: eventlog.RecordKind, Limit: erasePage})
		if err != nil || len(rows) == 0 {
			return erased, err
		}
		for _, row := range rows {
			ch := tenants.ChannelKey{Tenant: id, Name: row.Sort}
			n, err := e.events(ctx, ch)
			if erased += n; err != nil {
				return erased, err
			}
			if _, err := e.table.WriteEach(ctx, tenants.Delete(eventlog.HeadKey(ch), tenants.Anything()), tenants.Delete(row.Key, tenants.Anything())); err != nil {
				return erased, err
			}
			erased += 2
		}
	}
}

func (e *Erasure) events(ctx context.Context, ch tenants.ChannelKey) (erased int, err error) {
	for {
		rows, err := e.table.Query(ctx, tenants.Range{Tenant: ch.Tenant, Kind: eventlog.EventKind(ch), Limit: erasePage})
		if err != nil || len(rows) == 0 {
			return erased, err
		}
		ops := make([]tenants.Op, 0, 2*len(rows))
		for _, row := range rows {
			if event, err := tenants.DecodeEvent(row.Body); err == nil { // what is none has no claim that could be known
				ops = append(ops, tenants.Delete(eventlog.ClaimKey(ch.Tenant, event.ID), tenants.Anything()))
			}
			ops = append(ops, tenants.Delete(row.Key, tenants.Anything()))
		}
		n, err := e.table.WriteEach(ctx, ops...)
		if erased += n; err != nil {
			return erased, err
		}
	}
}

// list erases the rows of one kind. What has to be gone at once goes with the look-up rows that lead to it, all or nothing.
func (e *Erasure) list(ctx context.Context, id tenants.TenantID, kind tenants.TenantKind) (erased int, err error) {
	page := erasePage
	if kind.AtOnce {
		page = 10
	}
	for {
		rows, err := e.table.Query(ctx, tenants.Range{Tenant: id, Kind: kind.Kind, Limit: page})
		if err != nil || len(rows) == 0 {
			return erased, err
		}
		ops := make([]tenants.Op, 0, len(rows))
		for _, row := range rows {
			if kind.Lookups != nil {
				lookups, err := kind.Lookups(row)
				if err != nil {
					return erased, err
				}
				for _, k := range lookups {
					ops = append(ops, tenants.Delete(k, tenants.Anything()))
				}
			}
			ops = append(ops, tenants.Delete(row.Key, tenants.Anything()))
		}
		if kind.AtOnce {
			if err := e.table.Write(ctx, ops...); err != nil {
				return erased, err
			}
			erased += len(ops)
			continue
		}
		n, err := e.table.WriteEach(ctx, ops...)
		if erased += n; err != nil {
			return erased, err
		}
	}
}

// Delete ends a tenant for good. Its first write marks the tenant as closing (see Accounts.Close). Then the look-up rows and secrets go, last the
// tenant itself. Where it stops half-way (Unavailable), calling it again goes on, and so does Run, which takes away what the tenant had: events
// and all. The id is never given again, since ids are random.
func (e *Erasure) Delete(ctx context.Context, id tenants.TenantID) error {
	now := time.Now()
	if err := e.accounts.Close(ctx, id, closingOp(id, now)); err != nil {
		return err
	}
	for _, kind := range kinds(now) {
		if !kind.AtOnce {
			continue
		}
		if _, err := e.list(ctx, id, kind); err != nil {
			return err
		}
	}
	return e.accounts.Remove(ctx, id)
}
