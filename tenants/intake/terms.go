package intake

import (
	"context"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/source"
)

// Terms are the limits and the trust that apply to one incoming event. The zero Terms are of an event whose tenant's limits nobody knows.
//
// Where a limit cannot be read, who has proved something is let in: a provider's webhook that is refused may never come again, and the limit is
// passed by little. Who has proved nothing is not: else whoever could make the table slow could send without a bound.
type Terms struct {
	Limits tenants.Limits

	known    bool      // Limits says for how long the event is kept
	strict   bool      // nobody vouches for the sender
	verified time.Time // when the sender's signature had been verified; zero: it has a credential
}

// unreadable is the answer where a limit could not be read because of err: nil under terms that are not strict.
func (t Terms) unreadable(err error) error {
	if !t.strict {
		return nil
	}
	e := tenants.Errorf(tenants.Unavailable, "limit_unreadable", "a limit could not be read, and what nobody has signed is not let in on trust")
	e.Err = err
	return e
}

// eventBytes is how many bytes an event may have.
func (t Terms) eventBytes() int {
	if t.Limits.EventBytes > 0 {
		return min(tenants.MaxEventBytes, t.Limits.EventBytes)
	}
	return tenants.MaxEventBytes
}

// CheckSize holds an event's size against the limit: TooLarge event_too_large.
func (t Terms) CheckSize(size int) error {
	if most := t.eventBytes(); size > most {
		return tenants.Errorf(tenants.TooLarge, "event_too_large", "the event has %d bytes, and may have %d", size, most)
	}
	return nil
}

// Terms are those of a tenant's own programs, whose credential has been verified.
func (in *Intake) Terms(ctx context.Context, tenant tenants.TenantID) (Terms, error) {
	limits, err := in.limits.Limits(ctx, tenant)
	if err == nil {
		in.last.put(tenant, limits)
	}
	return Terms{Limits: limits, known: true}, err
}

// termsOf are those of a source's webhooks. Limits that cannot be read: with a source that verifies, those read last, or none; else Unavailable.
func (in *Intake) termsOf(ctx context.Context, tenant tenants.TenantID, verifies bool) (Terms, error) {
	t, err := in.Terms(ctx, tenant)
	t.strict = !verifies
	if err == nil || tenants.KindOf(err) != tenants.Unavailable || ctx.Err() != nil {
		return t, err
	}
	t.Limits = in.last.get(tenant)
	return t, t.unreadable(err)
}

// takeOf counts one event against the rate of its source, and of the tenant: TooMany source_rate, event_rate.
func (in *Intake) takeOf(src source.Source, t Terms) error {
	perSecond := t.Limits.SourcePerSecond
	if unsigned := t.Limits.UnsignedPerSecond; t.strict && unsigned > 0 && (perSecond == 0 || unsigned < perSecond) {
		perSecond = unsigned
	}
	wait, ok := in.sources.Take(src.ID, perSecond, 1)
	if err := tooFast(ok, wait, "source_rate", perSecond); err != nil {
		return err
	}
	return in.Take(src.Tenant, t)
}

// lastLimits remembers what tenants' limits were when they could be read. Nobody's: no limits, under which an event is kept for good, since
// nobody can say for how long it has to be.
type lastLimits struct {
	mu   sync.Mutex
	read map[tenants.TenantID]tenants.Limits
}

const lastLimitsAtMost = 10_000

func (l *lastLimits) put(tenant tenants.TenantID, limits tenants.Limits) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.read[tenant]; !known && len(l.read) >= lastLimitsAtMost {
		for other := range l.read { // any: they are read again when they are wanted
			delete(l.read, other)
			break
		}
	}
	l.read[tenant] = limits
}

func (l *lastLimits) get(tenant tenants.TenantID) tenants.Limits {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.read[tenant]
}
