package tenants

import (
	"context"
	"time"
)

// Interest says which nodes hold subscribers of a channel: a row interest/{channel} each.
//
// Nothing is missed because two orders meet. The appender commits an event and then reads interest; a node commits its interest
// and then reads the log. Whichever comes first, one of the two sees the other.
type Interest struct{ table Table }

// NewInterest returns an Interest over the table that holds the log.
func NewInterest(t Table) *Interest { return &Interest{t} }

func interestKind(channel string) Kind { return Kind("interest/" + channel) }

// Register notes node's interest in the channel until expires, which is when the node's lease ends. The node registers again
// when it renews its lease, and reads the log only after Register has returned nil.
func (in *Interest) Register(ctx context.Context, node string, expires time.Time, tenant TenantID, channel string) error {
	return in.table.Write(ctx, Put(Key{tenant, interestKind(channel), node}, emptyRecord, expires, Anything()))
}

// Drop ends node's interest in the channel. The caller keeps Register and Drop of one channel in order.
func (in *Interest) Drop(ctx context.Context, node string, tenant TenantID, channel string) error {
	return in.table.Write(ctx, Delete(Key{tenant, interestKind(channel), node}, Anything()))
}

// Nodes returns every node whose interest in the channel was committed before the call and has not ended.
func (in *Interest) Nodes(ctx context.Context, tenant TenantID, channel string) ([]string, error) {
	const page = 1000
	var nodes []string
	for after := ""; ; {
		rows, err := in.table.Query(ctx, Range{Tenant: tenant, Kind: interestKind(channel), After: after, Limit: page})
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			nodes = append(nodes, row.Sort)
		}
		if len(rows) < page {
			return nodes, nil
		}
		after = rows[page-1].Sort
	}
}
