package intake

import (
	"context"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/cache"
	"github.com/hookcast/hookcast/tenants/eventlog"
)

const (
	countTrust    = 5 * time.Second
	begunTrust    = time.Minute // a channel that was admitted and has no record by then never came about
	begunAtMost   = 10_000      // tenants that begin channels at once; past it new ones are let in uncounted
	existingTrust = 10 * time.Minute
)

// channelCount keeps tenants from beginning more channels than they may have. A channel begins when its first event is
// appended, a while after it was admitted here, so those admitted count besides those stored. The count is this process's: n
// processes that begin channels at once may pass the limit by what each admits within 5 s.
type channelCount struct {
	log    *eventlog.Log
	exists *cache.Cache[tenants.ChannelKey, struct{}]
	stored *cache.Cache[tenants.TenantID, int]

	mu    sync.Mutex
	begun map[tenants.TenantID]map[string]time.Time // admitted here, and not seen in the table since
}

func newChannelCount(l *eventlog.Log) *channelCount {
	return &channelCount{
		log:    l,
		exists: cache.New[tenants.ChannelKey, struct{}](existingTrust, 20_000, 0),
		stored: cache.New[tenants.TenantID, int](countTrust, 10_000, 0),
		begun:  make(map[tenants.TenantID]map[string]time.Time),
	}
}

// admit lets an event into a channel that exists, or that may begin: else TooMany channel_limit. Where the table cannot be
// read it lets it in, unless the terms are strict: Unavailable limit_unreadable. It returns how many channels there are with one that begins; 0 where it did not have to count.
func (c *channelCount) admit(ctx context.Context, ch tenants.ChannelKey, terms Terms) (channels int, err error) {
	limit := terms.Limits.Channels
	if limit <= 0 {
		return 0, nil
	}
	_, err = c.exists.Get(ctx, ch, func(ctx context.Context) (struct{}, error) {
		_, err := c.log.Channel(ctx, ch.Tenant, ch.Name)
		return struct{}{}, err
	})
	if err != nil && !tenants.IsNotFound(err) {
		return 0, terms.unreadable(err)
	}
	if err == nil {
		return 0, nil
	}
	stored, err := c.stored.Get(ctx, ch.Tenant, func(ctx context.Context) (int, error) { return c.count(ctx, ch.Tenant) })
	if err != nil {
		return 0, terms.unreadable(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	begun := c.begun[ch.Tenant]
	if _, again := begun[ch.Name]; again {
		return stored + len(begun), nil
	}
	if stored+len(begun) >= limit {
		return stored + len(begun), tenants.Errorf(tenants.TooMany, "channel_limit", "there can be %d channels, and this would be one more", limit)
	}
	if begun == nil {
		if len(c.begun) >= begunAtMost {
			return 0, terms.unreadable(nil)
		}
		begun = make(map[string]time.Time)
		c.begun[ch.Tenant] = begun
	}
	begun[ch.Name] = time.Now()
	return stored + len(begun), nil
}

// count counts the tenant's channels in the table, and takes what it sees, and what is too old, out of those begun.
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
		for name, at := range begun {
			if time.Since(at) > begunTrust {
				delete(begun, name)
			}
		}
		if len(begun) == 0 {
			delete(c.begun, owner)
		}
	}
}
