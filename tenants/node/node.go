package node

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// Key returns the key of a node's lease. The node is live while the row exists and has not expired. The Sort is the
// name of the node and of its inbox.
func Key(node string) tenants.Key {
	return tenants.Key{Tenant: tenants.System, Kind: tenants.KindNodes, Sort: node}
}

// Fanout serves the subscribers that are connected to a node; hub.Hub is one.
type Fanout interface {
	// Deliver takes messages that were sent to this node. It does not block.
	Deliver(ms ...tenants.InboxMessage)
	// Reregister writes the interest row of every channel served under the node's new name, and reads each channel's
	// log after its own last number. It returns when all rows are written.
	Reregister(ctx context.Context, node string) error
	// Withdraw removes the interest rows of every channel served.
	Withdraw(ctx context.Context) error
	// Tenants returns the tenants that have connections here.
	Tenants() []tenants.TenantID
	// Shed ends the newest n connections of the tenant, or of one channel or subject of it if that is not "", and tells
	// their clients to come back later.
	Shed(t tenants.TenantID, channel, subject string, n int)

	LocalConnections
}

// Slots are the connection slots that a node shares with other nodes; quota.Admission is one.
type Slots interface {
	// ReturnUnused gives up unused slots of the tenant, or of one channel or subject of it if that is not "", because
	// another node has too few. It does not block.
	ReturnUnused(t tenants.TenantID, channel, subject string)
	// Retake takes slots for all open connections under the node's new name. It sheds connections that get none.
	Retake(ctx context.Context, f Fanout)
	// Maintain gives up slots that have not been used for a while. The node calls it every few seconds while it runs.
	Maintain(ctx context.Context, f Fanout)
	// Close ends all background work and waits for it.
	Close()
	// Connecting returns how many connections the tenant opened here within the last second or so, if that is limited.
	Connecting(t tenants.TenantID) int
}

// SetSlots makes the node maintain s. It must be called before Run.
func (n *Node) SetSlots(s Slots) { n.slots = s }

// Options configures a Node.
type Options struct {
	Table tenants.Table
	// Inboxes sends to all nodes; Maker and Open make and read this node's own inbox. If all are nil the process has no
	// other nodes to talk to, and reaches itself with Send.
	Inboxes tenants.Inboxes
	Maker   tenants.InboxMaker
	Open    func(node string) tenants.Inbox

	// Alone says that no other process serves from this table while this one runs. The lease then never ends, and Join
	// removes the leases of earlier processes.
	Alone bool

	Forget func(tenants.TenantID) // drops what this process remembers of the tenant; may be nil
	Logger *slog.Logger           // nil discards

	// LetGo is told that another process no longer needs a proxy run that this node may own. It must not block. It may
	// be nil.
	LetGo func(tenant tenants.TenantID, run string)
}

// Node is one streaming process among others. It has a lease, which shows that it is live, an inbox, and a name that
// begins and ends with both.
//
// A node trusts its lease by the wall clock and by the monotonic clock, so that a process that was stopped, or a
// machine that slept, notices on waking that others may have taken it for dead. In that case, and when its inbox is
// gone, the node begins again under a new name: it makes a new inbox and a new lease, writes its interest again and
// reads each channel after its own last number. It delivers nothing that came under the old name after the lease may
// have lapsed.
//
// Call Join, then create what needs the node's name, then Run. Leave ends it gracefully.
type Node struct {
	o      Options
	nodes  *Nodes
	fanout atomic.Pointer[Fanout]
	count  atomic.Int64  // live nodes at the last look
	lost   chan struct{} // holds one element once a life is found to be over
	births atomic.Int64
	orders chan tenants.InboxMessage
	slots  Slots // set before Run; may be nil

	mu      sync.Mutex // guards the rest
	life    *life
	former  []string // former names of this node, the latest last
	settled bool     // interest and slots are recorded under the present name
}

// New returns a Node that has not joined yet.
func New(o Options) *Node {
	if o.Forget == nil {
		o.Forget = func(tenants.TenantID) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	n := &Node{o: o, nodes: NewNodes(o.Table), lost: make(chan struct{}, 1)}
	n.orders = make(chan tenants.InboxMessage, ordersQueued)
	if n.o.Inboxes == nil {
		n.o.Inboxes = n
	}
	n.count.Store(1)
	return n
}

// Options returns the options of New with defaults for those that were nil.
func (n *Node) Options() Options { return n.o }

// Gone reports whether the lease of the node with that name is over for good, see Nodes.Gone.
func (n *Node) Gone(ctx context.Context, node string) (bool, error) { return n.nodes.Gone(ctx, node) }

// ID returns the node's present name, which is also that of its inbox and its rows. It is "" before Join.
func (n *Node) ID() string {
	name, _ := n.Lease()
	return name
}

// Held reports whether the node's lease is held: no other node can take it for dead.
func (n *Node) Held() bool {
	_, held := n.Lease()
	return held
}

// Lease returns the node's present name, and whether the lease under that name is held.
func (n *Node) Lease() (name string, held bool) {
	n.mu.Lock()
	l := n.life
	n.mu.Unlock()
	if l == nil {
		return "", false
	}
	return l.node, l.held(time.Now())
}

// FormerNames returns the latest names that this node had before the present one. What is recorded under them is its
// own.
func (n *Node) FormerNames() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.former
}

// Ready returns nil while the lease is held and interest and slots are recorded under the present name. Otherwise it
// returns an error of kind Unavailable with the code node_without_lease.
func (n *Node) Ready() error {
	n.mu.Lock()
	settled := n.settled
	n.mu.Unlock()
	if !settled || !n.Held() {
		return ErrWithoutLease
	}
	return nil
}

// ErrWithoutLease is the error of a node whose lease is not held.
var ErrWithoutLease = tenants.Errorf(tenants.Unavailable, "node_without_lease",
	"this node is not registered with the others yet")

// Live returns the number of live nodes at the last look, this node included. It is at least 1.
func (n *Node) Live() int { return int(max(1, n.count.Load())) }

// Incarnations returns how many names the node has had.
func (n *Node) Incarnations() int64 { return n.births.Load() }

// interestLife is how long an interest row lives. It can be long: a row that outlives its node leads to an inbox that
// is gone, and costs the appender one failed send.
const interestLife = 24 * time.Hour

// InterestUntil returns the expiry of an interest row that is written now. Write the row again at half of that time.
func (n *Node) InterestUntil() time.Time { return time.Now().Add(interestLife) }

// Join registers the node under its first name. If it fails it leaves at most an inbox, which Sweep removes.
func (n *Node) Join(ctx context.Context) error {
	if n.o.Alone {
		if err := n.deleteLeases(ctx); err != nil {
			return err
		}
	}
	l, err := n.begin(ctx)
	if err != nil {
		return err
	}
	n.countLive(ctx)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.life, n.settled = l, true
	return nil
}

func (n *Node) countLive(ctx context.Context) {
	if live, err := n.nodes.Live(ctx); err == nil {
		n.count.Store(int64(len(live)))
	}
}

// deleteLeases removes the leases of earlier processes. A node that is alone calls it before it joins.
func (n *Node) deleteLeases(ctx context.Context) error {
	for {
		r := tenants.Range{Tenant: tenants.System, Kind: tenants.KindNodes, Limit: 50}
		rows, err := n.o.Table.Query(ctx, r)
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

// Leave ends the node gracefully: its slots are free at once, and other nodes no longer send to it. Call it after Run
// has returned. What cannot be removed ends with the lease, or is removed by Sweep.
func (n *Node) Leave(ctx context.Context) error {
	n.mu.Lock()
	l := n.life
	n.life, n.settled = nil, false
	n.mu.Unlock()
	if n.slots != nil {
		n.slots.Close()
	}
	if l == nil {
		return nil
	}
	var failed error
	if f := n.fanout.Load(); f != nil {
		failed = (*f).Withdraw(ctx)
	}
	return cmp.Or(n.retire(ctx, l.node), failed)
}

// retire removes the lease and the inbox of a name that is no longer used.
func (n *Node) retire(ctx context.Context, node string) error {
	err := n.o.Table.Write(ctx, tenants.Delete(Key(node), tenants.Anything()))
	if n.o.Maker != nil {
		err = cmp.Or(err, n.o.Maker.Delete(ctx, node))
	}
	return err
}
