package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
	"github.com/hookcast/hookcast/tenants/worker"
)

const rowAnswers tenants.Kind = "list/answers" // {tenant}, order/node/page: a node's answer to an order

// answerRecord is one page of a node's answer. Pages are numbered from 0.
type answerRecord struct {
	Pages       int
	Total       int // the tenant's connections on the node, listed or not
	Connecting  int // those of them that were opened within the last second or so
	Found       bool
	Refused     *refusal // why nothing was done, if Found
	Connections []tenants.Connection
	Busy        []topCount
}

// refusal is a stored error: why an order was not carried out although the node has the connection.
type refusal struct {
	Kind         tenants.ErrorKind
	Code, Detail string
}

func (r *refusal) err() error {
	if r == nil {
		return nil
	}
	return tenants.Errorf(r.Kind, r.Code, "%s", r.Detail)
}

func refusalOf(err error) *refusal {
	e, ok := errors.AsType[*tenants.Error](err)
	if !ok || e.Kind == tenants.Internal {
		return &refusal{tenants.Unavailable, "not_decided", "this cannot be decided at the moment"}
	}
	return &refusal{e.Kind, e.Code, e.Detail}
}

const (
	answerLife      = time.Minute
	answerPageBytes = 300 << 10
	listAtMost      = 1_000 // connections that a node lists for one order
	ordersQueued    = 1_000 // orders that wait on a node; more are dropped, and their sender counts the node as missing
	ordersAtOnce    = 8     // orders that a node carries out at the same time
)

// handleOrder carries out an order that does not block, and queues any other.
func (n *Node) handleOrder(m tenants.InboxMessage) {
	switch o := m.Order; o.Do {
	case tenants.OrderReturn:
		if n.slots != nil {
			n.slots.ReturnUnused(m.Tenant, o.Channel, o.Subject)
		}
		return
	case tenants.OrderLetGo:
		if n.o.LetGo != nil {
			n.o.LetGo(m.Tenant, o.Run)
		}
		return
	}
	select {
	case n.orders <- m:
	default:
		n.o.Logger.Warn("an order was dropped: too many are waiting", "tenant", m.Tenant)
	}
}

// serveOrders carries out queued orders until ctx ends.
func (n *Node) serveOrders(ctx context.Context, f Fanout) {
	worker.Parallel(ordersAtOnce, ordersAtOnce, func(int) error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case m := <-n.orders:
				n.execute(ctx, f, m.Tenant, *m.Order)
			}
		}
	})
}

// execute carries out an order and writes the answer, if one is wanted. A node without a lease does not answer.
func (n *Node) execute(ctx context.Context, f Fanout, t tenants.TenantID, o tenants.Order) {
	node, held := n.Lease()
	if !held {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, worker.CallTime)
	defer cancel()
	pages := n.answer(ctx, f, t, o)
	if o.Ask == "" {
		return
	}
	for i, p := range pages {
		p.Pages = len(pages)
		k := tenants.Key{Tenant: t, Kind: rowAnswers, Sort: fmt.Sprintf("%s/%s/%04d", o.Ask, node, i)}
		row := tenants.Put(k, record.Encode(p), time.Now().Add(answerLife), tenants.Anything())
		if err := n.o.Table.Write(ctx, row); err != nil {
			n.o.Logger.Warn("answering an order failed", "tenant", t, "order", o.Do, "error", err)
			return
		}
	}
}

// answer carries out an order and returns the pages of its answer: none for an order of a newer release.
func (n *Node) answer(ctx context.Context, f Fanout, t tenants.TenantID, o tenants.Order) []answerRecord {
	var a answerRecord
	switch o.Do {
	case tenants.OrderClose:
		a.Found = f.Disconnect(t, o.Connection)
	case tenants.OrderRenew:
		if o.Principal == nil || o.Principal.Tenant != t {
			break
		}
		err := f.Renew(ctx, t, o.Connection, o.Principal)
		if a.Found = !tenants.IsNotFound(err); a.Found && err != nil {
			a.Refused = refusalOf(err)
		}
	case tenants.OrderList:
		pages := answerPages(f.Connections(t), o.After, o.Limit)
		if n.slots != nil {
			pages[0].Connecting = n.slots.Connecting(t)
		}
		return pages
	default:
		return nil
	}
	return []answerRecord{a}
}

// answerPages divides the connections after a position into pages. There is at least one.
func answerPages(list []tenants.Connection, after string, limit int) []answerRecord {
	total := len(list)
	pages := []answerRecord{{Total: total}}
	if limit == 0 {
		pages[0].Busy = topCounts(list)
		return pages
	}
	list = pageAfter(list, after, min(limit, listAtMost))
	size := 0
	for _, c := range list {
		more := len(record.Encode(c)) + 1
		last := &pages[len(pages)-1]
		if size+more > answerPageBytes && len(last.Connections) > 0 {
			pages = append(pages, answerRecord{Total: total})
			last, size = &pages[len(pages)-1], 0
		}
		last.Connections = append(last.Connections, c)
		size += more
	}
	return pages
}

// pageAfter sorts the list in place, the oldest connection first, and returns up to limit connections after a position.
func pageAfter(list []tenants.Connection, after string, limit int) []tenants.Connection {
	position := func(c tenants.Connection, p string) int { return cmp.Compare(c.Position(), p) }
	slices.SortFunc(list, func(a, b tenants.Connection) int { return position(a, b.Position()) })
	from, found := slices.BinarySearchFunc(list, after, position)
	if found {
		from++
	}
	return list[from:min(len(list), from+limit)]
}
