package node

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
)

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
