package delivery

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"strconv"
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
func (o *Outbox) find(ctx context.Context, t tenants.TenantID, ep, id string) (Delivery, tenants.Condition, error) {
	return record.Find[Delivery](ctx, o.Table, deliveryKey(t, ep, id))
}

// spread adds a random part of by to a time, so that messages which were held together do not come back together.
func (o *Outbox) spread(at time.Time, by time.Duration) time.Time {
	return at.Add(time.Duration(o.random() * float64(by)))
}

// message is an outbox message: the body, in JSON, of a message of either queue. It asks for one piece of work.
type message struct {
	Do       string
	Tenant   tenants.TenantID
	Endpoint string
	Delivery string    `json:",omitempty"` // of doReplay: the replay
	Channel  string    `json:",omitempty"`
	Seq      int64     `json:",omitempty"`
	Event    string    `json:",omitempty"`
	Replay   string    `json:",omitempty"`
	Attempt  int       `json:",omitempty"` // the number of the attempt to make; of doReplay: the page
	Hop      int64     `json:",omitempty"` // makes messages for the same attempt distinct for the queue's deduplication
	Began    time.Time // of the delivery, for its deadline
	Due      time.Time // not before then
	Wake     int64     `json:",omitempty"` // of doChannel: the end, in Unix milliseconds, of the pause that it ends
	Force    bool      `json:",omitempty"` // a person asked for it: ignore the pause and the endpoint's health
}

// The values of message.Do, as stored in queues.
const (
	doSend    = "send"   // make an attempt at a delivery
	doChannel = "pump"   // deliver the rest of a channel to an ordered endpoint, one event after the other
	doReplay  = "replay" // continue a replay
	doResume  = "resume" // send doChannel for the channels after Channel of an ordered endpoint
)

func decodeMessage(body []byte) (message, error) {
	var m message
	err := json.Unmarshal(body, &m)
	if err != nil || !tenants.ValidID(tenants.PrefixTenant, string(m.Tenant)) || m.Do == "" {
		return m, tenants.Errorf(tenants.Internal, "errand_undecodable", "the body is not an outbox message")
	}
	return m, nil
}

// group returns the message's lane. A channel of an ordered endpoint always has the same one.
func (m message) group(ep endpoint.Endpoint) string {
	of := m.Event
	if m.Do == doChannel || ep.Ordered {
		of = m.Channel
	}
	sum := tenants.HashParts("lane", of)
	return m.Endpoint + "/" + strconv.FormatUint(binary.BigEndian.Uint64(sum[:8])%uint64(ep.Lanes()), 10)
}

// dedupe returns the message's name: the queue drops a second message of the same name within five minutes.
func (m message) dedupe() string {
	hop := strconv.FormatInt(m.Hop, 10)
	if m.Do == doChannel {
		seq, wake := strconv.FormatInt(m.Seq, 10), strconv.FormatInt(m.Wake, 10)
		return tenants.DerivedID("", "pump", m.Endpoint, m.Channel, seq, wake, hop)
	}
	return m.Delivery + "/" + strconv.Itoa(m.Attempt) + "/" + hop
}

// ready returns the message for the ready queue.
func (m message) ready(ep endpoint.Endpoint) tenants.Message {
	m.Due = time.Time{}
	return tenants.Message{Group: m.group(ep), Dedupe: m.dedupe(), Body: record.Encode(m)}
}

// waiting returns the message for the waiting queue, which delays it until it is due, or for 15 minutes at most.
func (m message) waiting(now time.Time) tenants.Message {
	delay := min(max(m.Due.Sub(now), 0)+time.Millisecond, 15*time.Minute) // rounded up: never early
	return tenants.Message{Delay: delay.Truncate(time.Millisecond), Body: record.Encode(m)}
}

// again returns the message for the same work later.
func (m message) again(due time.Time) message {
	m.Hop++
	m.Due = due
	return m
}

// delivery returns a delivery of an event of type typ that m is to make the first attempt at.
func (m message) delivery(typ string) Delivery {
	return Delivery{
		ID: m.Delivery, Tenant: m.Tenant, Endpoint: m.Endpoint, Event: m.Event, Channel: m.Channel, Seq: m.Seq,
		Type: typ, Replay: m.Replay, State: Pending, Began: m.Began,
	}
}

// wait sends m to the waiting queue.
func (o *Outbox) wait(ctx context.Context, m message) error {
	return o.Waiting.Send(ctx, m.waiting(time.Now()))
}

// sendAll sends messages, if there are any.
func sendAll(ctx context.Context, q tenants.Queue, ms []tenants.Message) error {
	if len(ms) == 0 {
		return nil
	}
	return q.Send(ctx, ms...)
}
