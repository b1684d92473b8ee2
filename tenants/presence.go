package tenants

import (
	"context"
	"strings"
	"time"
)

// boundChannels are those of one client each: whoever works for the client publishes there, and wants to know when it has left.
const boundChannels = "client."

// BoundChannel tells whether a channel is bound to one client: its name begins with "client.". Nothing else about it differs.
func BoundChannel(name string) bool { return strings.HasPrefix(name, boundChannels) }

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

func presenceKey(tenant TenantID, channel string) Key { return Key{tenant, "heard", channel} }

// presenceOps note what a node says about a bound channel; none of another channel.
func presenceOps(tenant TenantID, channel string, subscribers int) []Op {
	if !BoundChannel(channel) {
		return nil
	}
	now := time.Now().UTC()
	return []Op{Put(presenceKey(tenant, channel), encodeRecord(presence{subscribers > 0, now}), now.Add(presenceKept), Anything())}
}

// Left tells whether a bound channel's client has listened and has not for 5 s, as far as nodes have said: at most 5 s late. Of a
// channel that is not bound, and of one that nobody has listened to within a day: false.
func (in *Interest) Left(ctx context.Context, tenant TenantID, channel string) (bool, error) {
	if !BoundChannel(channel) {
		return false, nil
	}
	p, err := readRecord[presence](ctx, in.table, presenceKey(tenant, channel), "never_heard", "nobody has listened")
	if err != nil || time.Since(p.At) < absence {
		if notFound(err) {
			err = nil
		}
		return false, err
	}
	n, err := in.Subscribers(ctx, tenant, channel) // a node that died has said nothing
	return err == nil && n == 0, err
}
