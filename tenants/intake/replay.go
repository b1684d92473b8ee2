package intake

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// Replay puts a copy of an event into a channel: the same payload, type and source under an id of its own, with word of where it comes from. It takes the way
// of any publish, and counts as one. Errors: as Publish's.
func (p *Publisher) Replay(ctx context.Context, e tenants.Event, channel string) (Accepted, error) {
	if err := tenants.Publishable(channel); err != nil {
		return Accepted{}, err
	}
	terms, err := p.intake.Terms(ctx, e.Tenant)
	if err != nil {
		return Accepted{}, err
	}
	if err := terms.CheckSize(len(e.Data)); err != nil {
		return Accepted{}, err
	}
	if err := p.intake.Take(e.Tenant, terms); err != nil {
		return Accepted{}, err
	}
	provenance := tenants.Provenance{Verified: true} // by the tenant's own credential, where it was published
	if e.Provenance != nil {
		provenance = *e.Provenance
	}
	if provenance.ReplayOf == "" { // a copy of a copy is one of the first
		provenance.ReplayOf = e.ID
	}
	return p.intake.enqueue(ctx, tenants.Event{
		ID: tenants.NewID(tenants.PrefixEvent), Tenant: e.Tenant, Channel: channel, Type: e.Type, Data: e.Data, ContentType: e.ContentType, Source: e.Source,
		Time: time.Now().UTC(), Provenance: &provenance, Hops: e.Hops,
	}, terms, false)
}
