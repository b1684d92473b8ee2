package intake

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// Publication is an event that a tenant's own program sends.
type Publication struct {
	Channel     string
	Type        string
	Data        []byte // stored unchanged
	ContentType string // "" if the sender does not say
	ID          string // the sender's own id, by which repeats are recognised; "": each call is a new event
	End         bool   // the channel's last event, as long as no other follows
	Hops        int    // see HopsOf
}

// Publisher takes events from tenants' own programs.
type Publisher struct{ intake *Intake }

// NewPublisher returns a Publisher into in.
func NewPublisher(in *Intake) *Publisher { return &Publisher{in} }

// Publish enqueues pub for the tenant. Errors: Unprocessable invalid_channel, reserved_channel, invalid_type,
// reserved_type, invalid_id; TooLarge event_too_large; TooMany event_rate, event_month_limit, channel_limit;
// Unavailable: try again, with the same ID if the event must not be repeated.
func (p *Publisher) Publish(ctx context.Context, tenant tenants.TenantID, pub Publication) (Accepted, error) {
	if err := tenants.Publishable(pub.Channel); err != nil {
		return Accepted{}, err
	}
	if err := tenants.CheckType(pub.Type); err != nil {
		return Accepted{}, err
	}
	if !tenants.Printable(pub.ID, 128) {
		return Accepted{}, tenants.Refused("/id", "invalid_id", "the id must be at most 128 bytes of printable text")
	}
	terms, err := p.take(ctx, tenant, len(pub.Data))
	if err != nil {
		return Accepted{}, err
	}
	e := tenants.Event{
		ID: tenants.NewID(tenants.PrefixEvent), Tenant: tenant, Channel: pub.Channel, Type: pub.Type, Data: pub.Data,
		ContentType: contentType(pub.ContentType), Time: time.Now().UTC(), End: pub.End, Hops: pub.Hops,
	}
	if pub.ID != "" {
		e.ID = tenants.DerivedID(tenants.PrefixEvent, string(tenant), "publish", pub.Channel, pub.ID)
	}
	return p.intake.enqueue(ctx, e, terms, pub.ID != "")
}

// Replay publishes a copy of e to a channel: the same payload, type and source under a new id, with a provenance that
// names the original. It counts as a publish. Errors: as Publish.
func (p *Publisher) Replay(ctx context.Context, e tenants.Event, channel string) (Accepted, error) {
	if err := tenants.Publishable(channel); err != nil {
		return Accepted{}, err
	}
	terms, err := p.take(ctx, e.Tenant, len(e.Data))
	if err != nil {
		return Accepted{}, err
	}
	provenance := tenants.Provenance{Verified: true} // an event without one was published with the tenant's credential
	if e.Provenance != nil {
		provenance = *e.Provenance
	}
	if provenance.ReplayOf == "" { // a copy of a copy names the first original
		provenance.ReplayOf = e.ID
	}
	return p.intake.enqueue(ctx, tenants.Event{
		ID: tenants.NewID(tenants.PrefixEvent), Tenant: e.Tenant, Channel: channel, Type: e.Type, Data: e.Data,
		ContentType: e.ContentType, Source: e.Source, Time: time.Now().UTC(), Provenance: &provenance, Hops: e.Hops,
	}, terms, false)
}

// take reads the tenant's terms and applies the limits of size and rate.
func (p *Publisher) take(ctx context.Context, tenant tenants.TenantID, size int) (Terms, error) {
	terms, err := p.intake.Terms(ctx, tenant)
	if err == nil {
		err = terms.CheckSize(size)
	}
	if err == nil {
		err = p.intake.Take(tenant, terms)
	}
	return terms, err
}

// contentType returns the Content-Type to store: s, or "" if s is too long or not a valid header value.
func contentType(s string) string {
	if !tenants.Printable(s, 255) {
		return ""
	}
	return s
}
