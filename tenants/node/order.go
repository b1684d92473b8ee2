package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
	"github.com/hookcast/hookcast/tenants/worker"
)

const rowAnswers tenants.Kind = "list/answers" // {tenant}, ask/node/page: a node's answer to an order

// answerRecord is one page of an answer. A node's pages are counted from 0.
type answerRecord struct {
	Pages       int
	Total       int // connections of the tenant on the node, listed or not
	Connecting  int // of them, opened within the last second or so
	Found       bool
	Refused     *refusal // found, and not done
	Connections []tenants.Connection
	Busy        []topCount
}

// refusal is why an order about a connection that is here was not carried out.
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
		return &refusal{tenants.Unavailable, "not_decided", "this could not be decided for now"}
	}
	return &refusal{e.Kind, e.Code, e.Detail}
}

const (
	answerLife      = time.Minute
	answerPageBytes = 300 << 10 // of a page
	listAtMost      = 1_000     // connections that a node lists at most
	ordersQueued    = 1_000     // orders that wait on a node; what comes then is dropped, and its asker told of a node that is missing
	ordersAtOnce    = 8         // that a node carries out
)

type tenantOrder struct {
	tenant tenants.TenantID
	order  tenants.Order
}

// handleOrder does what is ordered, now or soon.
func (n *Node) handleOrder(t tenants.TenantID, o tenants.Order) {
	if o.Do == tenants.OrderReturn {
		if s := n.sharedSlots(); s != nil {
			s.ReturnUnused(t, o.Channel, o.Subject)
		}
		return
	}
	if o.Do == tenants.OrderLetGo {
		if n.o.LetGo != nil {
			n.o.LetGo(t, o.Run)
		}
		return
	}
	select {
	case n.orders <- tenantOrder{t, o}:
	default:
		n.o.Logger.Warn("too many orders at once", "tenant", t)
	}
}

// serveOrders carries out orders until ctx ends.
func (n *Node) serveOrders(ctx context.Context, f Fanout) {
	var all sync.WaitGroup
	for range ordersAtOnce {
		all.Go(func() { n.drainOrders(ctx, f) })
	}
	all.Wait()
}

// drainOrders carries out one order after the other.
func (n *Node) drainOrders(ctx context.Context, f Fanout) {
	for {
		var o tenantOrder
		select {
		case <-ctx.Done():
			return
		case o = <-n.orders:
		}
		if node, ok := n.Lease(); ok {
			ctx, cancel := context.WithTimeout(ctx, worker.CallTime)
			if err := n.execute(ctx, f, node, o.tenant, o.order); err != nil {
				n.o.Logger.Warn("an order could not be answered", "tenant", o.tenant, "order", o.order.Do, "error", err)
			}
			cancel()
		}
	}
}

func (n *Node) execute(ctx context.Context, f Fanout, node string, t tenants.TenantID, o tenants.Order) error {
	pages := []answerRecord{{}}
	switch o.Do {
	case tenants.OrderClose:
		pages[0].Found = f.Disconnect(t, o.Connection)
	case tenants.OrderRenew:
		if o.Principal == nil || o.Principal.Tenant != t {
			break
		}
		err := f.Renew(ctx, t, o.Connection, o.Principal)
		if pages[0].Found = !tenants.IsNotFound(err); pages[0].Found && err != nil {
			pages[0].Refused = refusalOf(err)
		}
	case tenants.OrderList:
		pages = answerPages(f.Connections(t), o.After, o.Limit)
		if s := n.sharedSlots(); s != nil {
			pages[0].Connecting = s.Connecting(t)
		}
	default:
		return nil // a newer release's
	}
	if o.Ask == "" {
		return nil
	}
	for i, p := range pages {
		p.Pages = len(pages)
		k := tenants.Key{Tenant: t, Kind: rowAnswers, Sort: fmt.Sprintf("%s/%s/%04d", o.Ask, node, i)}
		if err := n.o.Table.Write(ctx, tenants.Put(k, record.Encode(p), time.Now().Add(answerLife), tenants.Anything())); err != nil {
			return err
		}
	}
	return nil
}

// answerPages cuts what comes behind a position into pages, at least one.
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

// pageAfter sorts the list in place and returns the first few behind a position.
func pageAfter(list []tenants.Connection, after string, limit int) []tenants.Connection {
	slices.SortFunc(list, func(a, b tenants.Connection) int { return cmp.Compare(a.Position(), b.Position()) })
	from, found := slices.BinarySearchFunc(list, after, func(c tenants.Connection, after string) int { return cmp.Compare(c.Position(), after) })
	if found {
		from++
	}
	return list[from:min(len(list), from+limit)]
}
