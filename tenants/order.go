package tenants

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Order is something that a node is to do. What it asks for is answered by rows list/answers of the tenant.
type Order struct {
	Do         string
	Ask        string     // what the answer is found under; "": none is wanted
	Channel    string     // OrderReturn: the slots of this channel,
	Subject    string     // or of this subject; both empty: of the tenant
	Connection string     // OrderClose, OrderRenew
	Principal  *Principal // OrderRenew: under whom the connection goes on
}

// What orders are of.
const (
	OrderReturn = "return" // give back the slots that are not in use
	OrderList   = "list"   // tell which connections there are
	OrderClose  = "close"  // end a connection
	OrderRenew  = "renew"  // have a connection go on under another credential
)

// Connection describes a live connection.
type Connection struct {
	ID        string
	Channels  []string
	Principal *Principal
	Transport string
	Remote    string
	Since     time.Time
	Cursor    string // "" before the first frame
	Backlog   int64  // bytes that the channels have and the connection was not given yet
	Sent      int64  // bytes
}

// LocalConnections are the connections of one node.
type LocalConnections interface {
	Connections(t TenantID) []Connection
	// Disconnect ends the tenant's connection of that id; false: there is none.
	Disconnect(t TenantID, id string) bool
	// Renew has the connection go on under p; false: there is none.
	Renew(t TenantID, id string, p *Principal) bool
}

const rowAnswers Kind = "list/answers" // {tenant}, ask/node/page: a node's answer to an order

// answerRecord is one page of an answer. A node's pages are counted from 0.
type answerRecord struct {
	Pages       int
	Total       int // connections of the tenant on the node, listed or not
	Found       bool
	Connections []Connection
}

const (
	answerLife  = time.Minute
	answerBytes = 300 << 10 // of a page
	answerLists = 1_000     // connections that a node lists, the oldest first
	ordersAhead = 64        // orders that wait on a node; what comes then is dropped, and its asker told of a node that is missing
)

type order struct {
	tenant TenantID
	order  Order
}

// obey does what is ordered, now or soon.
func (n *Node) obey(t TenantID, o Order) {
	if o.Do == OrderReturn {
		n.mu.Lock()
		a := n.admission
		n.mu.Unlock()
		if a != nil {
			a.contend(t, o.Channel, o.Subject)
		}
		return
	}
	select {
	case n.orders <- order{t, o}:
	default:
		n.o.Logger.Warn("too many orders at once", "tenant", t)
	}
}

// answer carries out orders until ctx ends.
func (n *Node) answer(ctx context.Context, f Fanout) {
	for {
		var o order
		select {
		case <-ctx.Done():
			return
		case o = <-n.orders:
		}
		if node, ok := n.held(); ok {
			ctx, cancel := context.WithTimeout(ctx, callTime)
			if err := n.carryOut(ctx, f, node, o.tenant, o.order); err != nil {
				n.o.Logger.Warn("an order could not be answered", "tenant", o.tenant, "order", o.order.Do, "error", err)
			}
			cancel()
		}
	}
}

func (n *Node) carryOut(ctx context.Context, f Fanout, node string, t TenantID, o Order) error {
	pages := []answerRecord{{}}
	switch o.Do {
	case OrderClose:
		pages[0].Found = f.Disconnect(t, o.Connection)
	case OrderRenew:
		pages[0].Found = o.Principal != nil && o.Principal.Tenant == t && f.Renew(t, o.Connection, o.Principal)
	case OrderList:
		pages = answerPages(f.Connections(t))
	default:
		return nil // a newer release's
	}
	if o.Ask == "" {
		return nil
	}
	for i, p := range pages {
		p.Pages = len(pages)
		k := Key{t, rowAnswers, fmt.Sprintf("%s/%s/%04d", o.Ask, node, i)}
		if err := n.o.Table.Write(ctx, Put(k, encodeRecord(p), time.Now().Add(answerLife), Anything())); err != nil {
			return err
		}
	}
	return nil
}

// answerPages cuts a list into pages, at least one.
func answerPages(list []Connection) []answerRecord {
	slices.SortFunc(list, func(a, b Connection) int { return a.Since.Compare(b.Since) })
	pages := []answerRecord{{Total: len(list)}}
	size := 0
	for _, c := range list[:min(len(list), answerLists)] {
		more := len(encodeRecord(c)) + 1
		last := &pages[len(pages)-1]
		if size+more > answerBytes && len(last.Connections) > 0 {
			pages = append(pages, answerRecord{Total: len(list)})
			last, size = &pages[len(pages)-1], 0
		}
		last.Connections = append(last.Connections, c)
		size += more
	}
	return pages
}
