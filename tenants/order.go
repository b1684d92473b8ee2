package tenants

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
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
	After      string     // OrderList: the position behind which to list,
	Limit      int        // and how many at most; 0: they are only counted
	Run        string     // OrderLetGo
}

// What orders are of.
const (
	OrderReturn = "return" // give back the slots that are not in use
	OrderList   = "list"   // tell which connections there are
	OrderClose  = "close"  // end a connection
	OrderRenew  = "renew"  // have a connection go on under another credential
	OrderLetGo  = "let-go" // see whether anybody still wants a proxy's run that the node runs
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

// position is where the connection stands in a list: the oldest first.
func (c Connection) position() string { return fmt.Sprintf("%019d/%s", c.Since.UnixNano(), c.ID) }

// LocalConnections are the connections of one node.
type LocalConnections interface {
	Connections(t TenantID) []Connection
	// Disconnect ends the tenant's connection of that id; false: there is none.
	Disconnect(t TenantID, id string) bool
	// Renew has the tenant's connection of that id go on under p. There is none: NotFound connection_not_found. p is not whom it was
	// opened by (see Principal.SameAs): Forbidden connection_of_another. p may not listen to each of its channels: Forbidden
	// channel_forbidden. Whether p may could not be found out: Unavailable; the connection is as it was.
	Renew(ctx context.Context, t TenantID, id string, p *Principal) error
}

// NoConnection is the error about a connection that is not there.
func NoConnection() error {
	return Errorf(NotFound, "connection_not_found", "there is no such connection")
}

const rowAnswers Kind = "list/answers" // {tenant}, ask/node/page: a node's answer to an order

// answerRecord is one page of an answer. A node's pages are counted from 0.
type answerRecord struct {
	Pages       int
	Total       int // connections of the tenant on the node, listed or not
	Connecting  int // of them, opened within the last second or so
	Found       bool
	Refused     *refusal // found, and not done
	Connections []Connection
	Busy        []busy
}

// refusal is why an order about a connection that is here was not carried out.
type refusal struct {
	Kind         ErrorKind
	Code, Detail string
}

func (r *refusal) err() error {
	if r == nil {
		return nil
	}
	return Errorf(r.Kind, r.Code, "%s", r.Detail)
}

func refusalOf(err error) *refusal {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Kind == Internal {
		return &refusal{Unavailable, "not_decided", "this could not be decided for now"}
	}
	return &refusal{e.Kind, e.Code, e.Detail}
}

const (
	answerLife   = time.Minute
	answerBytes  = 300 << 10 // of a page
	answerLists  = 1_000     // connections that a node lists at most
	ordersAhead  = 1_000     // orders that wait on a node; what comes then is dropped, and its asker told of a node that is missing
	ordersAtOnce = 8         // that a node carries out
)

type order struct {
	tenant TenantID
	order  Order
}

// obey does what is ordered, now or soon.
func (n *Node) obey(t TenantID, o Order) {
	if o.Do == OrderReturn {
		if s := n.kept(); s != nil {
			s.Contend(t, o.Channel, o.Subject)
		}
		return
	}
	if o.Do == OrderLetGo {
		if n.o.LetGo != nil {
			n.o.LetGo(t, o.Run)
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
	var all sync.WaitGroup
	for range ordersAtOnce {
		all.Go(func() { n.answerOne(ctx, f) })
	}
	all.Wait()
}

// answerOne carries out one order after the other.
func (n *Node) answerOne(ctx context.Context, f Fanout) {
	for {
		var o order
		select {
		case <-ctx.Done():
			return
		case o = <-n.orders:
		}
		if node, ok := n.Incarnation(); ok {
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
		if o.Principal == nil || o.Principal.Tenant != t {
			break
		}
		err := f.Renew(ctx, t, o.Connection, o.Principal)
		if pages[0].Found = !notFound(err); pages[0].Found && err != nil {
			pages[0].Refused = refusalOf(err)
		}
	case OrderList:
		pages = answerPages(f.Connections(t), o.After, o.Limit)
		if s := n.kept(); s != nil {
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
		k := Key{t, rowAnswers, fmt.Sprintf("%s/%s/%04d", o.Ask, node, i)}
		if err := n.o.Table.Write(ctx, Put(k, encodeRecord(p), time.Now().Add(answerLife), Anything())); err != nil {
			return err
		}
	}
	return nil
}

// answerPages cuts what comes behind a position into pages, at least one.
func answerPages(list []Connection, after string, limit int) []answerRecord {
	total := len(list)
	pages := []answerRecord{{Total: total}}
	if limit == 0 {
		pages[0].Busy = busiestOf(list)
		return pages
	}
	list = oldest(list, after, min(limit, answerLists))
	size := 0
	for _, c := range list {
		more := len(encodeRecord(c)) + 1
		last := &pages[len(pages)-1]
		if size+more > answerBytes && len(last.Connections) > 0 {
			pages = append(pages, answerRecord{Total: total})
			last, size = &pages[len(pages)-1], 0
		}
		last.Connections = append(last.Connections, c)
		size += more
	}
	return pages
}

// oldest sorts the list in place and returns the first few behind a position.
func oldest(list []Connection, after string, limit int) []Connection {
	slices.SortFunc(list, func(a, b Connection) int { return cmp.Compare(a.position(), b.position()) })
	from, found := slices.BinarySearchFunc(list, after, func(c Connection, after string) int { return cmp.Compare(c.position(), after) })
	if found {
		from++
	}
	return list[from:min(len(list), from+limit)]
}
