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
	Data        []byte // taken as it is
	ContentType string // "" where the sender does not say
	ID          string // the sender's own id of the event, by which a repeat is known; "": each call is an event of its own
	End         bool   // the channel's last event, for as long as no other follows
	Hops        int    // see HopsOf
}

// Publisher takes events from tenants' own programs.
type Publisher struct{ intake *Intake }

// NewPublisher returns a Publisher into in.
func NewPublisher(in *Intake) *Publisher { return &Publisher{in} }

const maxPublishID = 128

// Publish enqueues p for the tenant. Refused: Unprocessable invalid_channel, reserved_channel, invalid_type, reserved_type, invalid_id; TooLarge
// event_too_large; TooMany event_rate, event_month_limit, channel_limit; Unavailable: try again with the same ID, if repeats matter.
func (p *Publisher) Publish(ctx context.Context, tenant tenants.TenantID, pub Publication) (Accepted, error) {
	if err := tenants.Publishable(pub.Channel); err != nil {
		return Accepted{}, err
	}
	if err := tenants.CheckType(pub.Type); err != nil {
		return Accepted{}, err
	}
	if !tenants.Printable(pub.ID, maxPublishID) {
		return Accepted{}, tenants.Refused("/id", "invalid_id", "the id must be at most 128 bytes of printable text")
	}
	terms, err := p.intake.Terms(ctx, tenant)
	if err != nil {
		return Accepted{}, err
	}
	if err := terms.CheckSize(len(pub.Data)); err != nil {
		return Accepted{}, err
	}
	if err := p.intake.Take(tenant, terms); err != nil {
		return Accepted{}, err
	}
	e := tenants.Event{
		Tenant: tenant, Channel: pub.Channel, Type: pub.Type, Data: pub.Data, ContentType: contentType(pub.ContentType),
		Time: time.Now().UTC(), End: pub.End, Hops: pub.Hops,
	}
	if pub.ID == "" {
		e.ID = tenants.NewID(tenants.PrefixEvent)
	} else {
		e.ID = tenants.DerivedID(tenants.PrefixEvent, string(tenant), "publish", pub.Channel, pub.ID)
	}
	return p.intake.enqueue(ctx, e, terms, pub.ID != "")
}

// contentType is what to remember of a sender's Content-Type; one that is no header value, or overlong, is left out.
func contentType(s string) string {
	if !tenants.Printable(s, 255) {
		return ""
	}
	return s
}
