package node

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/cache"
	"github.com/hookcast/hookcast/tenants/record"
)

// Interest records which nodes have subscribers of a channel: one row per channel and node.
//
// No event is missed, because both sides write before they read. The appender commits an event and then reads the
// interest; a node commits its interest and then reads the log. Whichever comes first, one of the two sees the other.
//
// A row belongs to one name of a node, whose inbox exists only under that name. So a row may outlive its node: the
// appender removes it when it finds the inbox gone, and rows need no renewal with each lease.
type Interest struct {
	table  tenants.Table
	nodes  *Nodes
	counts *cache.Cache[tenants.ChannelKey, int] // results of Subscribers
}

// interestRecord is the body of an interest row.
type interestRecord struct {
	Subscribers int // on the node, a moment ago
}

// NewInterest returns an Interest over the table that holds the log and the leases.
func NewInterest(t tenants.Table) *Interest {
	return &Interest{t, NewNodes(t), cache.New[tenants.ChannelKey, int](2*time.Second, 10_000, 0)}
}

func interestKey(node string, tenant tenants.TenantID, channel string) tenants.Key {
	return tenants.Key{Tenant: tenant, Kind: tenants.Kind("interest/" + channel), Sort: node}
}

// Register records until expires that node has subscribers of the channel, and how many. The node registers again
// long before expires, and reads the log only after Register has returned nil. The caller must not let a Register and
// a Drop of the same channel overlap.
func (in *Interest) Register(ctx context.Context, node string, expires time.Time, tenant tenants.TenantID,
	channel string, subscribers int) error {
	body := record.Encode(interestRecord{subscribers})
	row := tenants.Put(interestKey(node, tenant, channel), body, expires, tenants.Anything())
	return in.table.Write(ctx, append(presenceOps(tenant, channel, subscribers), row)...)
}

// Drop removes node's interest in the channel.
func (in *Interest) Drop(ctx context.Context, node string, tenant tenants.TenantID, channel string) error {
	ops := []tenants.Op{tenants.Delete(interestKey(node, tenant, channel), tenants.Anything())}
	if tenants.BoundChannel(channel) {
		p, _, err := record.Find[presence](ctx, in.table, presenceKey(tenant, channel))
		if err == nil && p.Here { // the client loses its connection with the node
			ops = append(ops, presenceOps(tenant, channel, 0)...)
		}
	}
	return in.table.Write(ctx, ops...)
}

// Nodes returns the nodes whose interest in the channel was committed before the call and has not ended. Some of them
// may be dead.
func (in *Interest) Nodes(ctx context.Context, tenant tenants.TenantID, channel string) ([]string, error) {
	var nodes []string
	err := eachRow(ctx, in.table, interestKey("", tenant, channel), func(row tenants.Row) error {
		nodes = append(nodes, row.Sort)
		return nil
	})
	return nodes, err
}

// Subscribers returns the number of the channel's subscribers on all live nodes. It is at most 5 s old if nodes
// register a change within 2 s.
func (in *Interest) Subscribers(ctx context.Context, tenant tenants.TenantID, channel string) (int, error) {
	k := tenants.ChannelKey{Tenant: tenant, Name: channel}
	return in.counts.Get(ctx, k, func(ctx context.Context) (int, error) {
		byNode := make(map[string]int)
		err := eachRow(ctx, in.table, interestKey("", tenant, channel), func(row tenants.Row) error {
			r, err := record.Decode[interestRecord](row)
			if r.Subscribers > 0 {
				byNode[row.Sort] = r.Subscribers
			}
			return err
		})
		if err != nil || len(byNode) == 0 {
			return 0, err
		}
		live, err := in.nodes.Live(ctx)
		sum := 0
		for node, n := range byNode {
			if live[node] {
				sum += n
			}
		}
		return sum, err
	})
}

// DropIfGone removes the interest of a node whose inbox is gone, if its lease is over too. If that cannot be determined
// the row stays.
func (in *Interest) DropIfGone(ctx context.Context, node string, tenant tenants.TenantID, channel string) error {
	gone, err := in.nodes.Gone(ctx, node)
	if err != nil || !gone {
		return err
	}
	return in.Drop(ctx, node, tenant, channel)
}

// presence is the row of a bound channel: whether its client was connected when a node last wrote about it.
type presence struct {
	Here bool
	At   time.Time
}

const (
	presenceKept = 24 * time.Hour
	// absence is how long a client must be away before it counts as gone. A client that reconnects is back earlier.
	absence = 5 * time.Second
)

func presenceKey(tenant tenants.TenantID, channel string) tenants.Key {
	return tenants.Key{Tenant: tenant, Kind: "heard", Sort: channel}
}

// presenceOps returns the ops that record a node's number of subscribers of a bound channel: none for other channels.
func presenceOps(tenant tenants.TenantID, channel string, subscribers int) []tenants.Op {
	if !tenants.BoundChannel(channel) {
		return nil
	}
	now := time.Now().UTC()
	body := record.Encode(presence{subscribers > 0, now})
	return []tenants.Op{tenants.Put(presenceKey(tenant, channel), body, now.Add(presenceKept), tenants.Anything())}
}

// Left reports whether the client of a bound channel has listened within the last day and has been away for 5 s. The
// answer may be 5 s late. It is false for a channel that is not bound.
func (in *Interest) Left(ctx context.Context, tenant tenants.TenantID, channel string) (bool, error) {
	if !tenants.BoundChannel(channel) {
		return false, nil
	}
	p, was, err := record.Find[presence](ctx, in.table, presenceKey(tenant, channel))
	if err != nil || was.IsAbsent() || time.Since(p.At) < absence {
		return false, err
	}
	n, err := in.Subscribers(ctx, tenant, channel) // a node that died wrote no absence
	return err == nil && n == 0, err
}
