package intake

import (
	"context"
	"fmt"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/cache"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/projection"
	"github.com/hookcast/hookcast/tenants/signing"
	"github.com/hookcast/hookcast/tenants/source"
	"github.com/hookcast/hookcast/tenants/worker"
)

// tenantsAtMost is how many tenants a process remembers rates and counts of.
const tenantsAtMost = 10_000

// Intake is the way into the ingest queue that all events take: limits, duplicates, and the queue. Rates and counts are
// held per Intake, so a process has one.
type Intake struct {
	limits   tenants.LimitLookup
	log      *eventlog.Log
	queue    tenants.Queue
	rate     *cache.Rate[tenants.TenantID]
	sources  *cache.Rate[string] // by source id
	marker   marker
	month    *monthLimit
	channels *channelCount
	notices  *Notices
	last     *lastLimits
}

// NewIntake returns an Intake to q.
func NewIntake(limits tenants.LimitLookup, l *eventlog.Log, q tenants.Queue) *Intake {
	return &Intake{
		limits: limits, log: l, queue: q, marker: newMarker(), notices: NewNotices(q),
		rate: cache.NewRate[tenants.TenantID](tenantsAtMost), sources: cache.NewRate[string](10_000),
		month: newMonthLimit(projection.NewMonthlyUsage(l.Table)), channels: newChannelCount(l),
		last: &lastLimits{read: make(map[tenants.TenantID]tenants.Limits)},
	}
}

// Accepted is the answer to a webhook or a publish.
type Accepted struct {
	ID, Channel string
	Tenant      tenants.TenantID // the owner of the event
	Duplicate   bool             // the event is in its channel already; nothing was enqueued
	Reply       *signing.Reply   // the answer to a provider's handshake, to be sent unchanged; there is no event then
	Response    *source.Response // the source's own answer to an event; nil: the transport's default
	Allow       []string         // with MethodNotAllowed: the methods that the source accepts
}

// Take counts one event against the tenant's rate: TooMany event_rate.
func (in *Intake) Take(tenant tenants.TenantID, t Terms) error {
	return take(in.rate, tenant, t.Limits.EventsPerSecond, "event_rate")
}

// take takes one of the rate, and fails with TooMany and the code given if there is none left.
func take[K comparable](rate *cache.Rate[K], k K, perSecond int, code string) error {
	wait, ok := rate.Take(k, perSecond, 1)
	if ok {
		return nil
	}
	detail := fmt.Sprintf("the limit is %d per second", perSecond)
	return &tenants.Error{Kind: tenants.TooMany, Code: code, Detail: detail, RetryAfter: max(wait, time.Second)}
}

// AwaitTurn is like Take but waits until the rate allows the event or ctx ends.
func (in *Intake) AwaitTurn(ctx context.Context, tenant tenants.TenantID, t Terms) error {
	for {
		pause, ok := in.rate.Take(tenant, t.Limits.EventsPerSecond, 1)
		if ok {
			return nil
		}
		if !worker.Wait(ctx, pause) {
			return ctx.Err()
		}
	}
}

// Admit counts one event against the limits of events per month and of channels: TooMany event_month_limit,
// channel_limit. With no channel name (its owner did not choose one) the event counts against the month alone.
func (in *Intake) Admit(ctx context.Context, t Terms, ch tenants.ChannelKey) error {
	_, _, err := in.admit(ctx, t, ch, time.Now())
	return err
}

// admit is Admit that also returns how much of each limit is used, this event included; 0 if it was not counted.
func (in *Intake) admit(ctx context.Context, t Terms, ch tenants.ChannelKey, now time.Time) (int64, int, error) {
	events, err := in.month.take(ctx, ch.Tenant, t, now)
	if err != nil || ch.Name == "" {
		return events, 0, err
	}
	channels, err := in.channels.admit(ctx, ch, t)
	if err != nil {
		in.month.giveBack(ch.Tenant)
	}
	return events, channels, err
}

// Send enqueues admitted events for the appender. Once it has returned nil they are durable.
func (in *Intake) Send(ctx context.Context, t Terms, events ...tenants.Event) error {
	ms := make([]tenants.Message, len(events))
	for i, e := range events {
		ms[i] = in.marker.message(e, t)
	}
	return in.queue.Send(ctx, ms...)
}

// enqueue admits and sends e. If e may be a repeat, because its id follows from an id of the sender's, it is looked
// for in the log first.
//
// Reads of the table only save work here, since the log recognises duplicates itself. So if the table cannot be read, e
// is accepted all the same, unless the terms are strict; the queue holds it until the table is back.
func (in *Intake) enqueue(ctx context.Context, e tenants.Event, terms Terms, repeat bool) (Accepted, error) {
	known := false
	if repeat {
		e, known = in.log.Recognise(ctx, e)
	}
	accepted := Accepted{ID: e.ID, Channel: e.Channel, Tenant: e.Tenant, Duplicate: known}
	if known {
		return accepted, nil
	}
	now := time.Now()
	used, channels, err := in.admit(ctx, terms, tenants.ChannelKey{Tenant: e.Tenant, Name: e.Channel}, now)
	if err != nil {
		return Accepted{}, err
	}
	if err := in.Send(ctx, terms, e); err != nil {
		in.month.giveBack(e.Tenant)
		return Accepted{}, err
	}
	l, day, month := terms.Limits, now.UTC().Format(time.DateOnly), projection.MonthOf(now)
	warn := func(limit string, used, most int64, period string) {
		if tenants.NearLimit(used, most) {
			in.notices.Scarce(ctx, e.Tenant, l, limit, most, period)
		}
	}
	warn("events_per_second", int64(in.rate.Used(e.Tenant)), int64(l.EventsPerSecond), day)
	warn("events_per_month", used, l.EventsPerMonth, month)
	warn("channels", int64(channels), int64(l.Channels), month)
	return accepted, nil
}
