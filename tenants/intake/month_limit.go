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

// monthLimit holds tenants to their events per month. What they took is what the change feed has counted, read now and then, and what
// this process has taken since: so the limit is approximate. It can be passed by what the feed has yet to count at a reading, and by
// what other processes take until the next.
type monthLimit struct {
	counts *cache.Cache[tenants.TenantID, projection.MonthUsage]
	usage  *projection.MonthlyUsage

	mu      sync.Mutex
	tenants map[tenants.TenantID]*monthUse
}

// monthUse is what a tenant took of a month.
type monthUse struct {
	month   string
	counted int64     // by the feed, at the last reading
	taken   int64     // here, since that began
	until   time.Time // when to read again
	unread  bool      // the last reading failed
}

const (
	monthTenants  = 10_000 // remembered
	monthTrustMin = 5 * time.Second
	monthTrustMax = 5 * time.Minute
	monthFailed   = time.Second // after a reading that failed
	monthBusiest  = 10_000      // events per second that a tenant without a limit of those is taken to be able to send
	monthAgain    = 15 * time.Minute
)

func newMonthLimit(u *projection.MonthlyUsage) *monthLimit {
	return &monthLimit{
		counts: cache.New[tenants.TenantID, projection.MonthUsage](monthFailed, monthTenants, 0), usage: u, tenants: make(map[tenants.TenantID]*monthUse),
	}
}

// take counts one event, or refuses it: TooMany event_month_limit. It returns how many there are with it; 0 where there is no limit.
// Counts that cannot be read refuse nobody but who comes under strict terms: Unavailable limit_unreadable.
func (m *monthLimit) take(ctx context.Context, tenant tenants.TenantID, terms Terms, now time.Time) (used int64, err error) {
	l := terms.Limits
	limit := l.EventsPerMonth
	if limit <= 0 {
		return 0, nil
	}
	month := projection.MonthOf(now)
	m.mu.Lock()
	u := m.tenants[tenant]
	fresh := u != nil && u.month == month && now.Before(u.until)
	m.mu.Unlock()
	if !fresh {
		m.read(ctx, tenant, l, now)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if u = m.tenants[tenant]; u == nil { // pushed out by others since
		return 0, terms.unreadable(nil)
	}
	if u.unread && terms.strict {
		return 0, terms.unreadable(nil)
	}
	if used = u.counted + u.taken; used >= limit {
		err := tenants.Errorf(tenants.TooMany, "event_month_limit", "the account has taken the %d events that it may in a month", limit)
		// The limit can be raised at any time, so that nobody is told to stay away until the month is over.
		err.RetryAfter = min(monthAgain, nextMonth(now).Sub(now)) + rand.N(monthAgain/3)
		return used, err
	}
	u.taken++
	return used + 1, nil
}

// read reads what the feed has counted. Several at once share the reading.
func (m *monthLimit) read(ctx context.Context, tenant tenants.TenantID, l tenants.Limits, now time.Time) {
	m.mu.Lock()
	before := int64(0)
	if u := m.tenants[tenant]; u != nil && u.month == projection.MonthOf(now) {
		before = u.taken
	}
	m.mu.Unlock()
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
	if u == nil || u.month != projection.MonthOf(now) {
		if u == nil && len(m.tenants) >= monthTenants {
			for other := range m.tenants { // any: it is read again when it is wanted
				delete(m.tenants, other)
				break
			}
		}
		u = &monthUse{month: projection.MonthOf(now)}
		m.tenants[tenant] = u
	}
	if err != nil || counted.Month != u.month {
		u.until, u.unread = now.Add(monthFailed), true
		return
	}
	u.unread = false
	if !now.Before(u.until) { // nobody else was quicker
		u.counted, u.taken = max(counted.Events, u.counted), max(0, u.taken-before)
		u.until = now.Add(monthTrust(l, l.EventsPerMonth-u.counted))
	}
}

// monthTrust is how long a reading is gone by: a quarter of the time in which what is left could be used up.
func monthTrust(l tenants.Limits, left int64) time.Duration {
	perSecond := int64(l.EventsPerSecond)
	if perSecond <= 0 {
		perSecond = monthBusiest
	}
	seconds := max(0, left) / perSecond / 4
	return max(monthTrustMin, min(time.Duration(min(seconds, 3600))*time.Second, monthTrustMax))
}

// giveBack takes one off that came to nothing.
func (m *monthLimit) giveBack(tenant tenants.TenantID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if u := m.tenants[tenant]; u != nil && u.taken > 0 {
		u.taken--
	}
}

func nextMonth(at time.Time) time.Time {
	at = at.UTC()
	return time.Date(at.Year(), at.Month()+1, 1, 0, 0, 0, 0, time.UTC)
}
