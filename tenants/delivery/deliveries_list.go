package delivery

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/record"
	"github.com/hookcast/hookcast/tenants/worker"
)

// Filter says which deliveries a list is to have. Its zero value: all.
type Filter struct {
	Endpoint string
	Event    string
	State    State
	Since    time.Time // only of events received since,
	Until    time.Time // and before
}

// lookedAtMost bounds the work of one page of a list; one that looked at so many rows may be short.
const lookedAtMost = 500

// List returns up to limit (1 to 100) deliveries behind the position after, and where to go on: "" at the end. They come by endpoint, the
// oldest endpoint first, and of each those of the newest events first. Fewer than limit does not mean the end. No such endpoint or
// event: NotFound.
func (d *Deliveries) List(ctx context.Context, t tenants.TenantID, f Filter, after string, limit int) (list []Delivery, next string, err error) {
	endpoints, err := d.named(ctx, t, f.Endpoint)
	if err != nil {
		return nil, "", err
	}
	within := tenants.Range{Tenant: t, Backward: true}
	if f.Event != "" {
		e, err := d.Log.Event(ctx, t, f.Event, tenants.Retention{})
		if err != nil {
			return nil, "", err
		}
		f.Since, f.Until = later(f.Since, e.Time), tenants.Earlier(f.Until, e.Time.Add(time.Millisecond))
	}
	if !f.Since.IsZero() {
		within.After = deliveriesAt(f.Since)
	}
	if !f.Until.IsZero() {
		within.Before = deliveriesAt(f.Until)
	}
	limit = record.PageLimit(limit)
	from, behind, _ := strings.Cut(after, "/")
	looked := 0
	for _, ep := range endpoints {
		if ep.ID < from {
			continue
		}
		r := within
		r.Kind, r.Limit = tenants.Kind(deliveryKindOf+ep.ID), min(limit+1, 50)
		if ep.ID == from && behind != "" {
			r.Before = behind
		}
		for {
			rows, err := d.Table.Query(ctx, r)
			if err != nil {
				return nil, "", err
			}
			for _, row := range rows {
				x, err := record.Decode[Delivery](row)
				if err != nil {
					return nil, "", err
				}
				looked++
				if (f.State == "" || x.State == f.State) && (f.Event == "" || x.Event == f.Event) {
					list = append(list, x)
				}
				if len(list) == limit || looked >= lookedAtMost {
					return list, ep.ID + "/" + row.Sort, nil
				}
			}
			if len(rows) < r.Limit {
				break
			}
			r.Before = rows[len(rows)-1].Sort
		}
	}
	return list, "", nil
}

// named are all endpoints, or the one of that id.
func (d *Deliveries) named(ctx context.Context, t tenants.TenantID, id string) ([]endpoint.Endpoint, error) {
	if id != "" {
		ep, err := d.Endpoints.Get(ctx, t, id)
		return []endpoint.Endpoint{ep}, err
	}
	all, err := d.Endpoints.All(ctx, t)
	slices.SortFunc(all, func(a, b endpoint.Endpoint) int { return strings.Compare(a.ID, b.ID) })
	return all, err
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Dead returns up to limit (1 to 100) dead deliveries behind the position after, of the newest events first, and where to go on: "" at the end. Endpoint
// "" is every one. Fewer than limit does not mean the end.
func (d *Deliveries) Dead(ctx context.Context, t tenants.TenantID, endpoint, after string, limit int) (list []Delivery, next string, err error) {
	if endpoint != "" {
		if _, err := d.Endpoints.Get(ctx, t, endpoint); err != nil {
			return nil, "", err
		}
	}
	limit = record.PageLimit(limit)
	r := tenants.Range{Tenant: t, Kind: rowDead, Before: after, Backward: true, Limit: limit}
	for looked := 0; looked < lookedAtMost; {
		rows, err := d.Table.Query(ctx, r)
		if err != nil {
			return nil, "", err
		}
		found := make([]Delivery, len(rows))
		err = worker.Parallel(len(rows), worker.GroupsAtOnce, func(i int) error {
			at, err := record.Decode[deadRecord](rows[i])
			if err != nil || endpoint != "" && at.Endpoint != endpoint {
				return err
			}
			found[i], _, err = d.find(ctx, t, at.Endpoint, rows[i].Sort)
			return err
		})
		if err != nil {
			return nil, "", err
		}
		for i, x := range found {
			if x.State == Dead {
				list = append(list, x)
			}
			if len(list) == limit {
				return list, rows[i].Sort, nil
			}
		}
		if len(rows) < r.Limit {
			return list, "", nil
		}
		r.Before = rows[len(rows)-1].Sort
		looked += len(rows)
	}
	return list, r.Before, nil
}
