package node

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
)

// presence is the row heard/{channel} of a bound channel: whether its client was there when a node last had something to say about that.
type presence struct {
	Here bool
	At   time.Time
}

const (
	presenceKept = 24 * time.Hour
	// absence is how long a client may be away before it is taken to have left: one that connects again is back by then.
	absence = 5 * time.Second
)

func presenceKey(tenant tenants.TenantID, channel string) tenants.Key {
	return tenants.Key{Tenant: tenant, Kind: "heard", Sort: channel}
}

// presenceOps note what a node says about a bound channel; none of another channel.
func presenceOps(tenant tenants.TenantID, channel string, subscribers int) []tenants.Op {
	if !tenants.BoundChannel(channel) {
		return nil
	}
	now := time.Now().UTC()
	return []tenants.Op{tenants.Put(presenceKey(tenant, channel), record.Encode(presence{subscribers > 0, now}), now.Add(presenceKept), tenants.Anything())}
}

// Left tells whether a bound channel's client has listened and has not for 5 s, as far as nodes have said: at most 5 s late. Of a
// channel that is not bound, and of one that nobody has listened to within a day: false.
func (in *Interest) Left(ctx context.Context, tenant tenants.TenantID, channel string) (bool, error) {
	if !tenants.BoundChannel(channel) {
		return false, nil
	}
	p, err := record.Read[presence](ctx, in.table, presenceKey(tenant, channel), "never_heard", "nobody has listened")
	if err != nil || time.Since(p.At) < absence {
		if tenants.IsNotFound(err) {
			err = nil
		}
		return false, err
	}
	n, err := in.Subscribers(ctx, tenant, channel) // a node that died has said nothing
	return err == nil && n == 0, err
}
