package node

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/cache"
	"github.com/hookcast/hookcast/tenants/record"
	"github.com/hookcast/hookcast/tenants/worker"
)

// Connections lists, closes and renews the connections of a tenant over all live nodes. It stores nothing: each call
// sends an order to every node and reads their answers from the table.
type Connections struct {
	// Local holds the connections of this process, which are closed and renewed without asking other nodes. It may be
	// nil.
	Local LocalConnections

	table   tenants.Table
	nodes   *Nodes
	inboxes tenants.Inboxes
	lists   *cache.Cache[listing, ConnectionList]
}

// listing holds the arguments of List.
type listing struct {
	tenant tenants.TenantID
	after  string
	limit  int
}

// NewConnections returns a Connections over the table that holds the leases. It sends orders to the nodes' inboxes.
func NewConnections(t tenants.Table, inboxes tenants.Inboxes) *Connections {
	lists := cache.New[listing, ConnectionList](time.Second, 1_000, 0)
	return &Connections{table: t, nodes: NewNodes(t), inboxes: inboxes, lists: lists}
}

// ConnectionList is one page of a tenant's connections over all nodes.
type ConnectionList struct {
	Connections []tenants.Connection // the oldest first. The slice is shared and must not be changed
	Next        string               // the position of the next page; "" on the last one
	Total       int                  // connections on all pages
	Connecting  int                  // connections opened within the last second or so, if their rate is limited
	Busiest     TopCounts            // only if the limit was 0
	Missing     int                  // nodes that did not answer in time; their connections are not counted here
}

// answerTime is how long Connections waits for the nodes' answers.
const answerTime = 2 * time.Second

// List returns up to limit of the tenant's connections after a position ("" for the first page). It may be 3 s old.
// With a limit of 0 it counts the connections without listing them.
func (c *Connections) List(ctx context.Context, t tenants.TenantID, after string, limit int) (ConnectionList, error) {
	limit = max(0, min(limit, listAtMost-1))
	return c.lists.Get(ctx, listing{t, after, limit}, func(ctx context.Context) (ConnectionList, error) {
		o := tenants.Order{Do: tenants.OrderList, After: after}
		if limit > 0 {
			o.Limit = limit + 1 // one more shows that there is a next page
		}
		var list ConnectionList
		var counts []topCount
		missing, err := c.ask(ctx, t, o, func(a answerRecord, first bool) bool {
			list.Connections, counts = append(list.Connections, a.Connections...), append(counts, a.Busy...)
			if first {
				list.Total += a.Total
				list.Connecting += a.Connecting
			}
			return false
		})
		list.Missing, list.Busiest = missing, sumTopCounts(counts)
		all := pageAfter(list.Connections, after, o.Limit)
		list.Connections = all[:min(len(all), limit)]
		if len(all) > limit {
			list.Next = list.Connections[limit-1].Position()
		}
		return list, err
	})
}

// Count returns the number of the tenant's connections. It may be 3 s old.
func (c *Connections) Count(ctx context.Context, t tenants.TenantID) (int, error) {
	list, err := c.List(ctx, t, "", 0)
	return list.Total, err
}

// Close closes a connection on any node. It fails with NotFound connection_not_found if there is no such connection,
// and with Unavailable if a node that may have it did not answer.
func (c *Connections) Close(ctx context.Context, t tenants.TenantID, id string) error {
	defer c.forget(t)
	if c.Local != nil && c.Local.Disconnect(t, id) {
		return nil
	}
	return c.orderOne(ctx, t, tenants.Order{Do: tenants.OrderClose, Connection: id})
}

// Renew continues a connection under another credential of the same principal. Its errors are those of
// LocalConnections.Renew and of Close.
func (c *Connections) Renew(ctx context.Context, t tenants.TenantID, id string, p tenants.Principal) error {
	defer c.forget(t)
	if c.Local != nil {
		if err := c.Local.Renew(ctx, t, id, &p); !tenants.IsNotFound(err) {
			return err
		}
	}
	return c.orderOne(ctx, t, tenants.Order{Do: tenants.OrderRenew, Connection: id, Principal: &p})
}

func (c *Connections) forget(t tenants.TenantID) {
	c.lists.ForgetWhere(func(l listing, _ ConnectionList) bool { return l.tenant == t })
}

// orderOne sends an order about one connection to all nodes, and waits for the node that has it.
func (c *Connections) orderOne(ctx context.Context, t tenants.TenantID, o tenants.Order) error {
	if !tenants.ValidID(tenants.PrefixConnection, o.Connection) {
		return tenants.NoConnection()
	}
	found := false
	var refused *refusal
	missing, err := c.ask(ctx, t, o, func(a answerRecord, _ bool) bool {
		found, refused = a.Found, a.Refused
		return found
	})
	switch {
	case found:
		return refused.err()
	case err != nil:
		return err
	case missing > 0:
		return tenants.Errorf(tenants.Unavailable, "nodes_silent", "a part of the service did not answer in time")
	}
	return tenants.NoConnection()
}

// ask sends o to every live node and calls take with each page of their answers, until take returns true, every node
// has answered, or answerTime is over. It returns how many nodes did not answer completely.
func (c *Connections) ask(ctx context.Context, t tenants.TenantID, o tenants.Order,
	take func(a answerRecord, first bool) (enough bool)) (missing int, err error) {
	o.Ask = tenants.NewID("ask_")
	awaited, missing, err := c.send(ctx, t, o)
	if err != nil {
		return 0, err
	}
	seen := make(map[string]bool)
	until := time.Now().Add(answerTime)
	for pause := 5 * time.Millisecond; len(awaited) > 0; pause = min(2*pause, 200*time.Millisecond) {
		if !time.Now().Before(until) || !worker.Wait(ctx, pause) {
			break
		}
		r := tenants.Range{Tenant: t, Kind: rowAnswers, After: o.Ask, Before: o.Ask + "0", Limit: 1000}
		rows, err := c.table.Query(ctx, r)
		if err != nil {
			return missing + len(awaited), err
		}
		for _, row := range rows {
			part := strings.Split(row.Sort, "/") // the order, the node, the page
			if len(part) != 3 || seen[row.Sort] {
				continue
			}
			seen[row.Sort] = true
			a, err := record.Decode[answerRecord](row)
			if err != nil {
				return missing + len(awaited), err
			}
			pages, ok := awaited[part[1]]
			if !ok {
				continue
			}
			if awaited[part[1]] = pages + 1; pages+1 >= a.Pages {
				delete(awaited, part[1])
			}
			if take(a, part[2] == "0000") {
				return missing + len(awaited), nil
			}
		}
	}
	return missing + len(awaited), ctx.Err()
}

// send sends o to every live node. It returns the nodes that got it, each with the number of pages that it has answered
// (0), and how many nodes did not get it.
func (c *Connections) send(ctx context.Context, t tenants.TenantID, o tenants.Order) (map[string]int, int, error) {
	live, err := c.nodes.Live(ctx)
	if err != nil {
		return nil, 0, err
	}
	names := slices.Collect(maps.Keys(live))
	sent := make([]bool, len(names))
	worker.Parallel(len(names), worker.NodesAtOnce, func(i int) error {
		sent[i] = c.inboxes.Send(ctx, names[i], tenants.InboxMessage{Tenant: t, Order: &o}) == nil
		return nil
	})
	awaited := make(map[string]int)
	for i, name := range names {
		if sent[i] {
			awaited[name] = 0
		}
	}
	return awaited, len(names) - len(awaited), nil
}
