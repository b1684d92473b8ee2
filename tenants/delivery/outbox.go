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

// Endpoints is the part of *endpoint.Endpoints that deliveries use.
type Endpoints interface {
	// All returns the tenant's endpoints, each as the last completed write left it.
	All(ctx context.Context, tenant tenants.TenantID) ([]endpoint.Endpoint, error)
	// Get returns one: NotFound endpoint_not_found.
	Get(ctx context.Context, tenant tenants.TenantID, id string) (endpoint.Endpoint, error)
	// Matches reports whether the endpoint's channels, types and filter accept the event. An error of kind
	// Unprocessable means that the filter can never decide about it.
	Matches(e endpoint.Endpoint, ev tenants.Event) (bool, error)
	// Prepare makes the request that delivers an event, signed under messageID.
	Prepare(ctx context.Context, e endpoint.Endpoint, messageID string, ev tenants.Event, at time.Time) (
		tenants.Outgoing, error)
	// GiveUp disables the endpoint unless it has changed since it was seen.
	GiveUp(ctx context.Context, seen endpoint.Endpoint, reason string) (endpoint.Endpoint, error)
}

// Teller publishes an event of the type kind, with JSON data, in the notices channel of a tenant with limits l. It
// publishes equal data once. *intake.Notices is one.
type Teller interface {
	Tell(ctx context.Context, tenant tenants.TenantID, l tenants.Limits, kind string, data []byte)
}

// Outbox is the storage, queues and collaborators that Dispatcher, Deliverer and Deliveries share.
type Outbox struct {
	Table     tenants.Table
	Log       *eventlog.Log
	Endpoints Endpoints
	Ready     tenants.Queue       // FIFO, with a group for each lane
	Waiting   tenants.Queue       // without groups
	Tenants   tenants.LimitLookup // knows which tenants are suspended or deleted
	Notices   Teller              // nil: tenants are not told about their endpoints
	Logger    *slog.Logger        // nil: nothing is logged
	Random    func() float64      // from 0 to 1, for jitter; nil: math/rand
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

// find reads a delivery. If there is none it returns the zero Delivery and Absent.
func (o *Outbox) find(ctx context.Context, t tenants.TenantID, endpoint, id string) (
	Delivery, tenants.Condition, error) {
	return record.Find[Delivery](ctx, o.Table, deliveryKey(t, endpoint, id))
}

// spread adds a random part of by to a time, so that messages which were held together do not come back together.
func (o *Outbox) spread(at time.Time, by time.Duration) time.Time {
	return at.Add(time.Duration(o.random() * float64(by)))
}
