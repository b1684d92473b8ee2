package node

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// Key is the key of a node's lease: the row is there, and not past its expiry, for as long as the node lives. Its Sort is the
// name of the node's inbox.
func Key(node string) tenants.Key {
	return tenants.Key{Tenant: tenants.System, Kind: tenants.KindNodes, Sort: node}
}

// Fanout is what a node has its subscribers served by; package hub's Hub is one.
type Fanout interface {
	// Deliver takes notices that came for this node. It does not wait for anything.
	Deliver(ns ...tenants.InboxMessage)
	// Reregister writes the interest row of every channel served under the node's new name, and reads each channel behind its own
	// last number. It returns once all rows are written.
	Reregister(ctx context.Context, node string) error
	// Withdraw drops the interest rows of every channel served.
	Withdraw(ctx context.Context) error
	// Tenants returns the tenants that have connections here.
	Tenants() []tenants.TenantID
	// Shed ends the newest n of the tenant's connections, of those that listen to channel and are subject's where these are not "",
	// and tells them to come back later.
	Shed(t tenants.TenantID, channel, subject string, n int)

	LocalConnections
}

// Slots is what a node keeps of the connection slots that it shares with others; package quota's Admission is one. A node has one at most.
type Slots interface {
	// Contend is another node's appeal: slots of the tenant, or of the channel or subject where one is named, that nobody uses go back.
	Contend(t tenants.TenantID, channel, subject string)
	// Retake takes the slots of what is open anew, under the name that the node has now.
	Retake(ctx context.Context, f Fanout)
	// Upkeep gives back slots that nobody uses. It is called every few seconds while the node runs.
	Upkeep(ctx context.Context, f Fanout)
	// Close ends what goes on in the background, and waits for it.
	Close()
	// Connecting is how many connections of the tenant were opened within the last second or so, where their rate is limited.
	Connecting(t tenants.TenantID) int
}

// Keep has the node keep up s from the moment that it runs.
func (n *Node) Keep(s Slots) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.slots = s
}

func (n *Node) kept() Slots {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.slots
}

// Options is what a Node stands on.
type Options struct {
	Table tenants.Table
	// Inboxes leads to all nodes, Maker and Open to this one's own inbox. All nil: the process has no other to talk to, and tells
	// itself things by Send.
	Inboxes tenants.Inboxes
	Maker   tenants.InboxMaker
	Open    func(node string) tenants.Inbox

	// Alone says that no other process serves from this table, now or ever while this one runs. Its lease never ends, and what
	// others have left behind is no longer theirs.
	Alone bool

	Forget func(tenants.TenantID) // drops what this process remembers of the tenant; nil: nothing
	Logger *slog.Logger           // nil: discards

	// LetGo hears that somebody else no longer wants a proxy's run that may be run here; it must not wait. nil: nobody does.
	LetGo func(tenant tenants.TenantID, run string)
}

// Node is one streaming process among others: a lease that says that it lives, an inbox in which it is told things, and a name, its
// incarnation, that begins and ends with both.
//
// The lease is trusted by the wall clock as well as by the monotonic one, so that a process that was stopped, or a machine
// that slept, knows on waking that others may have taken it for dead. Then, and when its inbox is gone, the node begins again
// under a new name: a new inbox, a new lease, its interest rewritten and each channel read again behind its own last number. It
// passes on nothing that came under the old name after the lease may have lapsed.
//
// Join it, then make whatever needs its name, then Run it. Leave is the graceful end.
type Node struct {
	o      Options
	nodes  *Nodes
	fanout atomic.Pointer[Fanout]
	count  atomic.Int64  // nodes that lived when this one last looked
	lost   chan struct{} // holds one once a life is found to be over
	births atomic.Int64
	orders chan order

	mu      sync.Mutex
	life    *life
	former  []string // names that this node had before, the latest last
	settled bool     // everything stands under the present name
	slots   Slots
}

// New makes a Node that has not joined yet.
func New(o Options) *Node {
	if o.Forget == nil {
		o.Forget = func(tenants.TenantID) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	n := &Node{o: o, nodes: NewNodes(o.Table), lost: make(chan struct{}, 1), orders: make(chan order, ordersAhead)}
	if n.o.Inboxes == nil {
		n.o.Inboxes = n
	}
	n.count.Store(1)
	return n
}

// Options is what the node stands on, with what was left out filled in.
func (n *Node) Options() Options { return n.o }

// Gone tells whether the node of that name is certain to be dead.
func (n *Node) Gone(ctx context.Context, node string) (bool, error) { return n.nodes.Gone(ctx, node) }

// ID is the node's present name, of its inbox and of its rows; "" before Join.
func (n *Node) ID() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.life == nil {
		return ""
	}
	return n.life.node
}

// Held tells whether the node can be sure that nobody takes it for dead.
func (n *Node) Held() bool {
	_, ok := n.Incarnation()
	return ok
}

// Incarnation returns the node's present name, and whether nobody can take it for dead under that.
func (n *Node) Incarnation() (name string, ok bool) {
	n.mu.Lock()
	l := n.life
	n.mu.Unlock()
	if l == nil {
		return "", false
	}
	return l.node, l.held(time.Now())
}

// Formerly returns names that this node had before.
func (n *Node) Formerly() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.former
}

// Ready returns nil while the lease is held and everything stands under it; kind Unavailable, code node_without_lease, else.
func (n *Node) Ready() error {
	n.mu.Lock()
	settled := n.settled
	n.mu.Unlock()
	if !settled || !n.Held() {
		return tenants.Errorf(tenants.Unavailable, "node_without_lease", "this node has yet to make itself known to the others")
	}
	return nil
}

// Live is how many nodes lived when this one last looked, itself included: at least 1.
func (n *Node) Live() int { return int(max(1, n.count.Load())) }

// Incarnations is how many names the node has had.
func (n *Node) Incarnations() int64 { return n.births.Load() }

// interestLife is how long an interest row stays. A row names an incarnation, so that one that outlives its node leads to an inbox
// that is gone and costs a send, once: see Appender. Rows need no renewal with each lease for that.
const interestLife = 24 * time.Hour

// InterestUntil returns until when an interest row that is written now is to stay. Who wrote it writes it again half-way.
func (n *Node) InterestUntil() time.Time { return time.Now().Add(interestLife) }

// Join makes the node known under its first name. Where it fails nothing of it is left but what Sweep finds.
func (n *Node) Join(ctx context.Context) error {
	if n.o.Alone {
		if err := n.bury(ctx); err != nil {
			return err
		}
	}
	l, err := n.begin(ctx)
	if err != nil {
		return err
	}
	n.look(ctx)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.life, n.settled = l, true
	return nil
}

// look counts the nodes that live.
func (n *Node) look(ctx context.Context) {
	if live, err := n.nodes.Live(ctx); err == nil {
		n.count.Store(int64(len(live)))
	}
}

// bury removes the leases of whoever was here before a node that is alone.
func (n *Node) bury(ctx context.Context) error {
	for {
		rows, err := n.o.Table.Query(ctx, tenants.Range{Tenant: tenants.System, Kind: tenants.KindNodes, Limit: 50})
		if err != nil || len(rows) == 0 {
			return err
		}
		ops := make([]tenants.Op, len(rows))
		for i, row := range rows {
			ops[i] = tenants.Delete(row.Key, tenants.Anything())
		}
		if err := n.o.Table.Write(ctx, ops...); err != nil {
			return err
		}
	}
}

// Leave ends the node in good order: nobody sends to it any more, and what it held is free. Call it when Run has returned. What
// cannot be removed ends with the lease, or is left to Sweep.
func (n *Node) Leave(ctx context.Context) error {
	n.mu.Lock()
	l := n.life
	slots := n.slots
	n.life, n.settled = nil, false
	n.mu.Unlock()
	if slots != nil {
		slots.Close()
	}
	if l == nil {
		return nil
	}
	var failed error
	if f := n.fanout.Load(); f != nil {
		failed = (*f).Withdraw(ctx)
	}
	if err := n.retire(ctx, l.node); err != nil {
		return err
	}
	return failed
}

// retire removes the lease and the inbox of a name that is over.
func (n *Node) retire(ctx context.Context, node string) error {
	err := n.o.Table.Write(ctx, tenants.Delete(Key(node), tenants.Anything()))
	if n.o.Maker != nil {
		if gone := n.o.Maker.Delete(ctx, node); err == nil {
			err = gone
		}
	}
	return err
}
