package intake

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/source"
)

// Terms are the limits and the trust that apply to one incoming event. The zero Terms apply if the limits of its tenant
// are unknown.
//
// If a limit cannot be read, an event that is signed or came with a credential is let in: a provider may never repeat a
// webhook that was refused, and the limit is exceeded by little. An unsigned event is refused, or else anybody who can
// slow the table down could send without a bound.
type Terms struct {
	Limits tenants.Limits

	known    bool      // Limits says how long the event is kept
	strict   bool      // the event is unsigned
	verified time.Time // when the signature had been verified; zero: the sender has a credential
}

// unreadable returns the outcome when a limit could not be read because of err: nil unless the terms are strict.
func (t Terms) unreadable(err error) error {
	if !t.strict {
		return nil
	}
	detail := "a limit could not be read, and an unsigned event is accepted only within known limits"
	return &tenants.Error{Kind: tenants.Unavailable, Code: "limit_unreadable", Detail: detail, Err: err}
}

// eventBytes is how many bytes an event may have.
func (t Terms) eventBytes() int {
	return min(tenants.MaxEventBytes, cmp.Or(t.Limits.EventBytes, tenants.MaxEventBytes))
}

// CheckSize refuses an event of more bytes than the limit allows: TooLarge event_too_large.
func (t Terms) CheckSize(size int) error {
	if most := t.eventBytes(); size > most {
		return tenants.Errorf(tenants.TooLarge, "event_too_large", "the event must have at most %d bytes, not %d", most,
			size)
	}
	return nil
}

// Terms returns the terms of events from the tenant's own programs, whose credential has been verified.
func (in *Intake) Terms(ctx context.Context, tenant tenants.TenantID) (Terms, error) {
	limits, err := in.limits.Limits(ctx, tenant)
	if err == nil {
		in.last.put(tenant, limits)
	}
	return Terms{Limits: limits, known: true}, err
}

// sourceTerms returns the terms of a source's webhooks. If the limits cannot be read and the source verifies
// signatures, the limits that were read last apply, or none; if it does not, the result is Unavailable
// limit_unreadable.
func (in *Intake) sourceTerms(ctx context.Context, tenant tenants.TenantID, verifies bool) (Terms, error) {
	t, err := in.Terms(ctx, tenant)
	t.strict = !verifies
	if err == nil || tenants.KindOf(err) != tenants.Unavailable || ctx.Err() != nil {
		return t, err
	}
	t.Limits = in.last.get(tenant)
	return t, t.unreadable(err)
}

// takeSource counts one event against the rates of its source and its tenant: TooMany source_rate, event_rate.
func (in *Intake) takeSource(src source.Source, t Terms) error {
	perSecond := t.Limits.SourcePerSecond
	if unsigned := t.Limits.UnsignedPerSecond; t.strict && unsigned > 0 && (perSecond == 0 || unsigned < perSecond) {
		perSecond = unsigned
	}
	if err := take(in.sources, src.ID, perSecond, "source_rate"); err != nil {
		return err
	}
	return in.Take(src.Tenant, t)
}

// lastLimits remembers tenants' limits as they were last read. An unknown tenant has no limits, and its events are kept
// for good, since nobody can say for how long they must be.
type lastLimits struct {
	mu   sync.Mutex
	read map[tenants.TenantID]tenants.Limits
}

func (l *lastLimits) put(tenant tenants.TenantID, limits tenants.Limits) {
	l.mu.Lock()
	defer l.mu.Unlock()
	putWithin(l.read, tenantsAtMost, tenant, limits)
}

func (l *lastLimits) get(tenant tenants.TenantID) tenants.Limits {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.read[tenant]
}
