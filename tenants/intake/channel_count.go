package intake

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/cache"
	"github.com/hookcast/hookcast/tenants/eventlog"
)

const (
	countTrust    = 5 * time.Second
	begunTrust    = time.Minute // a channel that was admitted and is not stored by then never began
	existingTrust = 10 * time.Minute
)

// channelCount keeps tenants within their limit of channels. A channel begins when its first event is appended, a while
// after it was admitted here, so it counts channels admitted as well as stored. The count is this process's own: with n
// processes the limit can be exceeded by those that each admits within 5 s.
type channelCount struct {
	log    *eventlog.Log
	exists *cache.Cache[tenants.ChannelKey, struct{}]
	stored *cache.Cache[tenants.TenantID, int]

	mu    sync.Mutex
	begun map[tenants.TenantID]map[string]time.Time // when admitted here; removed once seen in the table
}

func newChannelCount(l *eventlog.Log) *channelCount {
	return &channelCount{
		log: l, begun: make(map[tenants.TenantID]map[string]time.Time),
		exists: cache.New[tenants.ChannelKey, struct{}](existingTrust, 20_000, 0),
		stored: cache.New[tenants.TenantID, int](countTrust, tenantsAtMost, 0),
	}
}

// admit accepts an event of a channel that exists or may begin, and otherwise fails with TooMany channel_limit. If
// the table cannot be read it accepts the event, unless the terms are strict: Unavailable limit_unreadable. It
// returns how many channels the tenant has, the new one included, or 0 if it did not have to count.
func (c *channelCount) admit(ctx context.Context, ch tenants.ChannelKey, terms Terms) (channels int, err error) {
	limit := terms.Limits.Channels
	if limit <= 0 {
		return 0, nil
	}
	_, err = c.exists.Get(ctx, ch, func(ctx context.Context) (struct{}, error) {
		_, err := c.log.Channel(ctx, ch.Tenant, ch.Name)
		return struct{}{}, err
	})
	if err == nil {
		return 0, nil
	}
	if !tenants.IsNotFound(err) {
		return 0, terms.unreadable(err)
	}
	stored, err := c.stored.Get(ctx, ch.Tenant, func(ctx context.Context) (int, error) {
		return c.count(ctx, ch.Tenant)
	})
	if err != nil {
		return 0, terms.unreadable(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	begun := c.begun[ch.Tenant]
	channels = stored + len(begun)
	if _, again := begun[ch.Name]; again {
		return channels, nil
	}
	if channels >= limit {
		return channels, tenants.Errorf(tenants.TooMany, "channel_limit", "the limit of %d channels is reached", limit)
	}
	if begun == nil {
		if len(c.begun) >= tenantsAtMost { // of more tenants at once, new channels are not counted
			return 0, terms.unreadable(nil)
		}
		begun = make(map[string]time.Time)
		c.begun[ch.Tenant] = begun
	}
	begun[ch.Name] = time.Now()
	return channels + 1, nil
}

// count counts the tenant's stored channels, and drops from begun those that it sees and those that are too old.
func (c *channelCount) count(ctx context.Context, tenant tenants.TenantID) (int, error) {
	const page = 1000
	n := 0
	for after := ""; ; {
		channels, err := c.log.Channels(ctx, tenant, after, page)
		if err != nil {
			return 0, err
		}
		for _, ch := range channels {
			if tenants.CountsAsChannel(ch.Name) {
				n++
			}
		}
		c.forget(tenant, channels)
		if len(channels) < page {
			return n, nil
		}
		after = channels[page-1].Name
	}
}

func (c *channelCount) forget(tenant tenants.TenantID, stored []eventlog.Channel) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, ch := range stored {
		delete(c.begun[tenant], ch.Name)
	}
	for owner, begun := range c.begun {
		maps.DeleteFunc(begun, func(_ string, at time.Time) bool { return time.Since(at) > begunTrust })
		if len(begun) == 0 {
			delete(c.begun, owner)
		}
	}
}
