package node

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/cache"
	"github.com/hookcast/hookcast/tenants/record"
)

// Interest says which nodes hold subscribers of a channel: a row interest/{channel} each.
//
// Nothing is missed because two orders meet. The appender commits an event and then reads interest; a node commits its interest
// and then reads the log. Whichever comes first, one of the two sees the other.
//
// A row names an incarnation of a node, whose inbox begins and ends with it. So a row may stay when its node is gone: it is found
// out when a notice is sent there, and nothing has to be asked or renewed for it per event.
type Interest struct {
	table  tenants.Table
	nodes  *Nodes
	counts *cache.Cache[tenants.ChannelKey, int]
}

// interestRecord is a row's body.
type interestRecord struct {
	Subscribers int // on the node, a moment ago
}

const (
	countLife  = 2 * time.Second // how old Subscribers' answer may be by this process's doing
	countsKept = 10_000
)

// NewInterest returns an Interest over the table that holds the log.
func NewInterest(t tenants.Table) *Interest {
	return &Interest{t, NewNodes(t), cache.New[tenants.ChannelKey, int](countLife, countsKept, 0)}
}

func interestKind(channel string) tenants.Kind { return tenants.Kind("interest/" + channel) }

// Register notes node's interest in the channel until expires, and how many subscribers it has there. The node registers again long
// before expires, and reads the log only after Register has returned nil. The caller keeps Register and Drop of one channel in order.
func (in *Interest) Register(ctx context.Context, node string, expires time.Time, tenant tenants.TenantID, channel string, subscribers int) error {
	row := tenants.Put(tenants.Key{Tenant: tenant, Kind: interestKind(channel), Sort: node}, record.Encode(interestRecord{subscribers}), expires, tenants.Anything())
	return in.table.Write(ctx, append(presenceOps(tenant, channel, subscribers), row)...)
}

// Drop ends node's interest in the channel.
func (in *Interest) Drop(ctx context.Context, node string, tenant tenants.TenantID, channel string) error {
	ops := []tenants.Op{tenants.Delete(tenants.Key{Tenant: tenant, Kind: interestKind(channel), Sort: node}, tenants.Anything())}
	if tenants.BoundChannel(channel) {
		p, err := record.Read[presence](ctx, in.table, presenceKey(tenant, channel), "never_heard", "nobody has listened")
		if err == nil && p.Here { // the node goes, and its client with it for now
			ops = append(ops, presenceOps(tenant, channel, 0)...)
		}
	}
	return in.table.Write(ctx, ops...)
}

// Nodes returns every node whose interest in the channel was committed before the call and has not ended. Some of them may live no more.
func (in *Interest) Nodes(ctx context.Context, tenant tenants.TenantID, channel string) ([]string, error) {
	var nodes []string
	err := in.eachRow(ctx, tenant, channel, func(row tenants.Row) error {
		nodes = append(nodes, row.Sort)
		return nil
	})
	return nodes, err
}

// Subscribers counts the channel's subscribers on all nodes that live, as nodes have told of themselves: at most 5 s old where they
// write a change within 2 s.
func (in *Interest) Subscribers(ctx context.Context, tenant tenants.TenantID, channel string) (int, error) {
	return in.counts.Get(ctx, tenants.ChannelKey{Tenant: tenant, Name: channel}, func(ctx context.Context) (int, error) {
		byNode := make(map[string]int)
		err := in.eachRow(ctx, tenant, channel, func(row tenants.Row) error {
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

// DropIfGone drops the row of a node to which nothing can be sent, if its lease is over. Where that cannot be found out it stays.
func (in *Interest) DropIfGone(ctx context.Context, node string, tenant tenants.TenantID, channel string) error {
	gone, err := in.nodes.Gone(ctx, node)
	if err != nil || !gone {
		return err
	}
	return in.Drop(ctx, node, tenant, channel)
}

func (in *Interest) eachRow(ctx context.Context, tenant tenants.TenantID, channel string, each func(tenants.Row) error) error {
	const page = 1000
	for after := ""; ; {
		rows, err := in.table.Query(ctx, tenants.Range{Tenant: tenant, Kind: interestKind(channel), After: after, Limit: page})
		if err != nil {
			return err
		}
		for _, row := range rows {
			if err := each(row); err != nil {
				return err
			}
		}
		if len(rows) < page {
			return nil
		}
		after = rows[page-1].Sort
	}
}
