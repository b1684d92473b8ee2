package node

import (
	"context"
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/cache"
	"github.com/hookcast/hookcast/tenants/record"
	"github.com/hookcast/hookcast/tenants/worker"
)

// Connections asks every live node about a tenant's connections. Nothing is kept of them between questions, so that connections that
// nobody asks about cost nothing: a question costs a notice to each node and a row or more from each.
type Connections struct {
	// Local are connections of this very process. A close or a renewal of one of them asks no other node. Nil: there are none.
	Local LocalConnections

	table   tenants.Table
	nodes   *Nodes
	inboxes tenants.Inboxes
	lists   *cache.Cache[listing, ConnectionList]
}

// listing is what a list was asked for.
type listing struct {
	tenant tenants.TenantID
	after  string
	limit  int
}

// NewConnections makes a Connections over the table that holds the leases.
func NewConnections(t tenants.Table, to tenants.Inboxes) *Connections {
	return &Connections{table: t, nodes: NewNodes(t), inboxes: to, lists: cache.New[listing, ConnectionList](time.Second, 1_000, 0)}
}

// ConnectionList is a part of a tenant's connections over all nodes.
type ConnectionList struct {
	Connections []tenants.Connection // the oldest first. Shared: to be read only
	Next        string               // the position to go on from; "": there are no more
	Total       int                  // how many connections there are in all
	Connecting  int                  // how many were opened within the last second or so, where that is limited
	Busiest     TopCounts            // where the list was asked for no connections
	Missing     int                  // nodes that have not answered in time: what they have is in none of these
}

// answerTime is how long nodes have to answer.
const answerTime = 2 * time.Second

// List returns up to limit of the tenant's connections behind a position ("": from the first), as they were within the last 3 s.
// A limit of 0 only counts them.
func (c *Connections) List(ctx context.Context, t tenants.TenantID, after string, limit int) (ConnectionList, error) {
	limit = max(0, min(limit, answerLists-1))
	return c.lists.Get(ctx, listing{t, after, limit}, func(ctx context.Context) (ConnectionList, error) {
		o := tenants.Order{Do: tenants.OrderList, After: after}
		if limit > 0 {
			o.Limit = limit + 1 // so that there is seen to be more
		}
		var list ConnectionList
		var told []busy
		missing, err := c.ask(ctx, t, o, func(a answerRecord, first bool) bool {
			list.Connections, told = append(list.Connections, a.Connections...), append(told, a.Busy...)
			if first {
				list.Total += a.Total
				list.Connecting += a.Connecting
			}
			return false
		})
		list.Missing, list.Busiest = missing, busiest(told)
		all := oldest(list.Connections, after, o.Limit)
		list.Connections = all[:min(len(all), limit)]
		if len(all) > limit {
			list.Next = list.Connections[limit-1].Position()
		}
		return list, err
	})
}

// Count counts the tenant's connections.
func (c *Connections) Count(ctx context.Context, t tenants.TenantID) (int, error) {
	list, err := c.List(ctx, t, "", 0)
	return list.Total, err
}

// Close ends a connection, wherever it is. There is none: NotFound connection_not_found. A node that may have it has not answered:
// Unavailable.
func (c *Connections) Close(ctx context.Context, t tenants.TenantID, id string) error {
	defer c.forget(t)
	if c.Local != nil && c.Local.Disconnect(t, id) {
		return nil
	}
	return c.one(ctx, t, tenants.Order{Do: tenants.OrderClose, Connection: id})
}

// Renew has a connection go on under another credential of who opened it: errors are those of LocalConnections.Renew and Close.
func (c *Connections) Renew(ctx context.Context, t tenants.TenantID, id string, p tenants.Principal) error {
	defer c.forget(t)
	if c.Local != nil {
		if err := c.Local.Renew(ctx, t, id, &p); !tenants.IsNotFound(err) {
			return err
		}
	}
	return c.one(ctx, t, tenants.Order{Do: tenants.OrderRenew, Connection: id, Principal: &p})
}

func (c *Connections) forget(t tenants.TenantID) {
	c.lists.ForgetWhere(func(l listing, _ ConnectionList) bool { return l.tenant == t })
}

func (c *Connections) one(ctx context.Context, t tenants.TenantID, o tenants.Order) error {
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

// ask has every live node do o and hands each page of their answers to take, until that returns true or every node has answered, and
// returns how many have not.
func (c *Connections) ask(ctx context.Context, t tenants.TenantID, o tenants.Order, take func(a answerRecord, first bool) (enough bool)) (missing int, err error) {
	live, err := c.nodes.Live(ctx)
	if err != nil {
		return 0, err
	}
	o.Ask = tenants.NewID("ask_")
	names := make([]string, 0, len(live))
	for node := range live {
		names = append(names, node)
	}
	told := make([]bool, len(names))
	worker.Parallel(len(names), worker.NodesAtOnce, func(i int) error {
		told[i] = c.inboxes.Send(ctx, names[i], tenants.InboxMessage{Tenant: t, Order: &o}) == nil
		return nil
	})
	awaited := make(map[string]int) // pages that are to come, -1 while it is not known how many
	for i, name := range names {
		if told[i] {
			awaited[name] = -1
		} else {
			missing++
		}
	}
	seen := make(map[string]bool)
	until := time.Now().Add(answerTime)
	for pause := 5 * time.Millisecond; len(awaited) > 0; pause = min(2*pause, 200*time.Millisecond) {
		if !time.Now().Before(until) || !worker.Wait(ctx, pause) {
			break
		}
		rows, err := c.table.Query(ctx, tenants.Range{Tenant: t, Kind: rowAnswers, After: o.Ask, Before: o.Ask + "0", Limit: 1000})
		if err != nil {
			return missing + len(awaited), err
		}
		for _, row := range rows {
			part := strings.Split(row.Sort, "/")
			if len(part) != 3 || seen[row.Sort] {
				continue
			}
			seen[row.Sort] = true
			a, err := record.Decode[answerRecord](row)
			if err != nil {
				return missing + len(awaited), err
			}
			left, ok := awaited[part[1]]
			if !ok {
				continue
			}
			if left < 0 {
				left = a.Pages
			}
			if left--; left > 0 {
				awaited[part[1]] = left
			} else {
				delete(awaited, part[1])
			}
			if take(a, part[2] == "0000") {
				return missing + len(awaited), nil
			}
		}
	}
	return missing + len(awaited), ctx.Err()
}
