package tenants

import (
	"context"
	"slices"
	"strings"
	"time"
)

// Connections asks every live node about a tenant's connections. Nothing is kept of them between questions, so that connections that
// nobody asks about cost nothing: a question costs a notice to each node and a row or more from each.
type Connections struct {
	table   Table
	nodes   *Nodes
	inboxes Inboxes
	lists   *Cache[TenantID, ConnectionList]
}

// NewConnections makes a Connections over the table that holds the leases.
func NewConnections(t Table, to Inboxes) *Connections {
	return &Connections{t, NewNodes(t), to, NewCache[TenantID, ConnectionList](time.Second, 1_000, 0)}
}

// ConnectionList is a tenant's connections over all nodes.
type ConnectionList struct {
	Connections []Connection // the oldest first; at most 1,000 of each node. Shared: to be read only
	Total       int          // how many there are, listed or not
	Missing     int          // nodes that have not answered in time: what they have is in neither
}

// answerTime is how long nodes have to answer.
const answerTime = 2 * time.Second

// List returns the tenant's connections as they were within the last 3 s.
func (c *Connections) List(ctx context.Context, t TenantID) (ConnectionList, error) {
	return c.lists.Get(ctx, t, func(ctx context.Context) (ConnectionList, error) {
		var list ConnectionList
		missing, err := c.ask(ctx, t, Order{Do: OrderList}, func(a answerRecord, first bool) bool {
			list.Connections = append(list.Connections, a.Connections...)
			if first {
				list.Total += a.Total
			}
			return false
		})
		list.Missing = missing
		slices.SortStableFunc(list.Connections, func(a, b Connection) int { return a.Since.Compare(b.Since) })
		return list, err
	})
}

// Count counts the tenant's connections.
func (c *Connections) Count(ctx context.Context, t TenantID) (int, error) {
	list, err := c.List(ctx, t)
	return list.Total, err
}

// Close ends a connection, wherever it is. There is none: NotFound connection_not_found. A node that may have it has not answered:
// Unavailable.
func (c *Connections) Close(ctx context.Context, t TenantID, id string) error {
	return c.one(ctx, t, Order{Do: OrderClose, Connection: id})
}

// Renew has a connection go on under another credential of the tenant's. Whether p may listen to its channels the node finds out by
// its next look; errors as Close's.
func (c *Connections) Renew(ctx context.Context, t TenantID, id string, p Principal) error {
	return c.one(ctx, t, Order{Do: OrderRenew, Connection: id, Principal: &p})
}

func (c *Connections) one(ctx context.Context, t TenantID, o Order) error {
	none := Errorf(NotFound, "connection_not_found", "there is no such connection")
	if !ValidID(PrefixConnection, o.Connection) {
		return none
	}
	found := false
	missing, err := c.ask(ctx, t, o, func(a answerRecord, _ bool) bool {
		found = found || a.Found
		return found
	})
	c.lists.Forget(t)
	switch {
	case found:
		return nil
	case err != nil:
		return err
	case missing > 0:
		return Errorf(Unavailable, "nodes_silent", "a part of the service did not answer in time")
	}
	return none
}

// ask has every live node do o and hands each page of their answers to take, until that returns true or every node has answered, and
// returns how many have not.
func (c *Connections) ask(ctx context.Context, t TenantID, o Order, take func(a answerRecord, first bool) (enough bool)) (missing int, err error) {
	live, err := c.nodes.Live(ctx)
	if err != nil {
		return 0, err
	}
	o.Ask = NewID("ask_")
	names := make([]string, 0, len(live))
	for node := range live {
		names = append(names, node)
	}
	told := make([]bool, len(names))
	inParallel(len(names), nodesAtOnce, func(i int) error {
		told[i] = c.inboxes.Send(ctx, names[i], Notice{Tenant: t, Order: &o}) == nil
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
		if !time.Now().Before(until) || !wait(ctx, pause) {
			break
		}
		rows, err := c.table.Query(ctx, Range{Tenant: t, Kind: rowAnswers, After: o.Ask, Before: o.Ask + "0", Limit: 1000})
		if err != nil {
			return missing + len(awaited), err
		}
		for _, row := range rows {
			part := strings.Split(row.Sort, "/")
			if len(part) != 3 || seen[row.Sort] {
				continue
			}
			seen[row.Sort] = true
			a, err := decodeRecord[answerRecord](row)
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
