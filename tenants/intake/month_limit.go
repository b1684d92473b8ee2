package intake

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/cache"
	"github.com/hookcast/hookcast/tenants/projection"
)

// monthLimit keeps tenants within their events per month. It adds the events that this process has accepted to the
// count of the change feed, which it reads again from time to time. So the limit is approximate: it can be exceeded
// by the events that the feed has yet to count at a reading, and by those that other processes accept until the next
// one.
type monthLimit struct {
	counts *cache.Cache[tenants.TenantID, projection.MonthUsage]
	usage  *projection.MonthlyUsage

	mu      sync.Mutex
	tenants map[tenants.TenantID]*monthUse
}

// monthUse is a tenant's use of a month.
type monthUse struct {
	month   string
	counted int64     // by the feed, at the last reading
	taken   int64     // here, since that reading began
	until   time.Time // when to read again
	unread  bool      // the last reading failed
}

const (
	monthTrustMin = 5 * time.Second
	monthTrustMax = 5 * time.Minute
	monthFailed   = time.Second // until a failed reading is repeated
	monthRate     = 10_000      // the rate to expect of a tenant without a limit of events per second
	monthAgain    = 15 * time.Minute
)

func newMonthLimit(u *projection.MonthlyUsage) *monthLimit {
	counts := cache.New[tenants.TenantID, projection.MonthUsage](monthFailed, tenantsAtMost, 0)
	return &monthLimit{counts: counts, usage: u, tenants: make(map[tenants.TenantID]*monthUse)}
}

// take counts one event, or fails with TooMany event_month_limit. It returns the tenant's number of events, this one
// included, or 0 without a limit. If the count cannot be read, only strict terms are refused: Unavailable
// limit_unreadable.
func (m *monthLimit) take(ctx context.Context, tenant tenants.TenantID, terms Terms, now time.Time) (int64, error) {
	limit := terms.Limits.EventsPerMonth
	if limit <= 0 {
		return 0, nil
	}
	m.mu.Lock()
	before, fresh := int64(0), false
	if u := m.tenants[tenant]; u != nil && u.month == projection.MonthOf(now) {
		before, fresh = u.taken, now.Before(u.until)
	}
	m.mu.Unlock()
	if !fresh {
		m.read(ctx, tenant, terms.Limits, now, before)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	u := m.tenants[tenant]
	if u == nil || u.unread && terms.strict { // nil: it was dropped to make room for another tenant
		return 0, terms.unreadable(nil)
	}
	if used := u.counted + u.taken; used >= limit {
		err := tenants.Errorf(tenants.TooMany, "event_month_limit", "the limit of %d events per month is reached",
			limit)
		utc := now.UTC()
		next := time.Date(utc.Year(), utc.Month()+1, 1, 0, 0, 0, 0, time.UTC)
		// The limit can be raised at any time, so nobody is told to wait for the next month.
		err.RetryAfter = min(monthAgain, next.Sub(now)) + rand.N(monthAgain/3)
		return used, err
	}
	u.taken++
	return u.counted + u.taken, nil
}

// read reads the feed's count; before is how many events had been taken when it began. Calls at the same time share one
// reading.
func (m *monthLimit) read(ctx context.Context, tenant tenants.TenantID, l tenants.Limits, now time.Time, before int64) {
	month := projection.MonthOf(now)
	counted, err := m.counts.Get(ctx, tenant, func(ctx context.Context) (projection.MonthUsage, error) {
		months, err := m.usage.Months(ctx, tenant, now, 1)
		if err != nil {
			return projection.MonthUsage{}, err
		}
		return months[0], nil
	})
	m.mu.Lock()
	defer m.mu.Unlock()
	u := m.tenants[tenant]
	if u == nil || u.month != month {
		u = &monthUse{month: month}
		putWithin(m.tenants, tenantsAtMost, tenant, u)
	}
	if err != nil || counted.Month != month {
		u.until, u.unread = now.Add(monthFailed), true
		return
	}
	u.unread = false
	if !now.Before(u.until) { // else another call was first
		u.counted, u.taken = max(counted.Events, u.counted), max(0, u.taken-before)
		u.until = now.Add(monthTrust(l, l.EventsPerMonth-u.counted))
	}
}

// monthTrust is how long a reading is used: a quarter of the time in which the events left could be used up.
func monthTrust(l tenants.Limits, left int64) time.Duration {
	perSecond := int64(l.EventsPerSecond)
	if perSecond <= 0 {
		perSecond = monthRate
	}
	seconds := max(0, left) / perSecond / 4
	return max(monthTrustMin, min(time.Duration(min(seconds, 3600))*time.Second, monthTrustMax))
}

// giveBack uncounts an event that was not accepted after all.
func (m *monthLimit) giveBack(tenant tenants.TenantID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if u := m.tenants[tenant]; u != nil && u.taken > 0 {
		u.taken--
	}
}

// putWithin sets m[k]. If m has limit entries it first drops any other, which is read again when it is needed.
func putWithin[K comparable, V any](m map[K]V, limit int, k K, v V) {
	if _, known := m[k]; !known && len(m) >= limit {
		for other := range m {
			delete(m, other)
			break
		}
	}
	m[k] = v
}
