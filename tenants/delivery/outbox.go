package delivery

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/record"
)

// Endpoints is what deliveries ask of the endpoints: *Endpoints.
type Endpoints interface {
	// All returns the tenant's endpoints, each as the last completed write left it.
	All(ctx context.Context, tenant tenants.TenantID) ([]endpoint.Endpoint, error)
	// Get returns one: NotFound endpoint_not_found.
	Get(ctx context.Context, tenant tenants.TenantID, id string) (endpoint.Endpoint, error)
	// Matches tells whether the endpoint's channels, types and filter let the event through. Unprocessable: it can not be told, and never will.
	Matches(e endpoint.Endpoint, ev tenants.Event) (bool, error)
	// Prepare makes the request that delivers an event, signed under messageID.
	Prepare(ctx context.Context, e endpoint.Endpoint, messageID string, ev tenants.Event, at time.Time) (tenants.Outgoing, error)
	// GiveUp disables the endpoint unless it has changed since it was seen.
	GiveUp(ctx context.Context, seen endpoint.Endpoint, reason string) (endpoint.Endpoint, error)
}

// Teller tells a tenant, which has limits l, of something in its channel NoticesChannel: an event of the type kind with JSON as its data, once
// for each data. Intake's Notices is one.
type Teller interface {
	Tell(ctx context.Context, tenant tenants.TenantID, l tenants.Limits, kind string, data []byte)
}

// Outbox is what deliveries stand on. The way of one:
//
//	Dispatcher.Dispatch  dispatcher.go   follows the table's changes: for each new row of a log a message for each endpoint that it is for
//	Deliverer.Deliver    deliverer.go    takes messages that are ready: one attempt each (attempt.go), noted in the delivery's row
//	Deliverer.Hop        deliverer_hop.go takes messages that wait, and sends them on
//	Deliveries           deliveries.go   shows and steers them
//
// Nothing is lost: a message is done only when what it asks for is recorded, or another message will see to it. Each step may be
// done twice: at worst an endpoint gets an event twice under the same message id.
type Outbox struct {
	Table     tenants.Table
	Log       *eventlog.Log
	Endpoints Endpoints
	Ready     tenants.Queue       // FIFO; see errand
	Waiting   tenants.Queue       // without groups
	Tenants   tenants.LimitLookup // who is suspended, and who is gone
	Notices   Teller              // nil: tenants are not told
	Logger    *slog.Logger
	Random    func() float64 // from 0 to 1, for jitter; nil: math/rand
}

func (o *Outbox) random() float64 {
	if o.Random == nil {
		return rand.Float64()
	}
	return o.Random()
}

func (o *Outbox) healths() endpoint.Healths { return endpoint.Healths{Table: o.Table} }

func (o *Outbox) warn(ctx context.Context, msg string, args ...any) {
	if o.Logger != nil {
		o.Logger.WarnContext(ctx, msg, args...)
	}
}

// find reads a delivery; there is none: the zero Delivery and Absent.
func (o *Outbox) find(ctx context.Context, t tenants.TenantID, endpoint, id string) (Delivery, tenants.Condition, error) {
	row, err := o.Table.Get(ctx, deliveryKey(t, endpoint, id))
	if tenants.IsNotFound(err) {
		return Delivery{}, tenants.Absent(), nil
	}
	if err != nil {
		return Delivery{}, tenants.Condition{}, err
	}
	d, err := record.Decode[Delivery](row)
	return d, tenants.At(row.Version), err
}

// spread adds up to so much to a time, so that what was held back together does not come together.
func (o *Outbox) spread(at time.Time, by time.Duration) time.Time {
	return at.Add(time.Duration(o.random() * float64(by)))
}
