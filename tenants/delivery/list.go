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

// Filter selects deliveries. The zero Filter selects all.
type Filter struct {
	Endpoint string
	Event    string
	State    State
	Since    time.Time // only deliveries of events received since then
	Until    time.Time // and before then
}

// lookedAtMost bounds the rows that one page reads; a page that reaches it may be short.
const lookedAtMost = 500

// List returns up to limit (1 to 100) deliveries after the position after, and the position to continue from, "" at
// the end. They are sorted by endpoint, the oldest first, and then by event, the newest first. A page of fewer than
// limit may be followed by others. If there is no such endpoint or event, the error is NotFound.
func (d *Deliveries) List(ctx context.Context, t tenants.TenantID, f Filter, after string, limit int) (
	list []Delivery, next string, err error) {
	endpoints, err := d.selected(ctx, t, f.Endpoint)
	if err != nil {
		return nil, "", err
	}
	if f.Event != "" {
		e, err := d.Log.Event(ctx, t, f.Event, tenants.Retention{})
		if err != nil {
			return nil, "", err
		}
		f.Since, f.Until = later(f.Since, e.Time), tenants.Earlier(f.Until, e.Time.Add(time.Millisecond))
	}
	within := tenants.Range{Tenant: t, After: deliveriesAt(f.Since), Backward: true}
	if !f.Until.IsZero() {
		within.Before = deliveriesAt(f.Until)
	}
	limit = record.PageLimit(limit)
	from, before, _ := strings.Cut(after, "/")
	looked := 0
	for _, ep := range endpoints {
		if ep.ID < from {
			continue
		}
		r := within
		r.Kind, r.Limit = tenants.Kind(deliveryPrefix+ep.ID), min(limit+1, 50)
		if ep.ID == from && before != "" {
			r.Before = before
		}
		for more := true; more; {
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
				r.Before = row.Sort
			}
			more = len(rows) == r.Limit
		}
	}
	return list, "", nil
}

// selected returns the endpoint with the id, or all if id is "".
func (d *Deliveries) selected(ctx context.Context, t tenants.TenantID, id string) ([]endpoint.Endpoint, error) {
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

// Dead returns up to limit (1 to 100) dead deliveries after the position after, those of the newest events first, and
// the position to continue from, "" at the end. An empty endpoint selects all. A page of fewer than limit may be
// followed by others.
func (d *Deliveries) Dead(ctx context.Context, t tenants.TenantID, endpoint, after string, limit int) (
	list []Delivery, next string, err error) {
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
