package intake

import (
	"context"
	"encoding/hex"
	"math"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/cache"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/projection"
	"github.com/hookcast/hookcast/tenants/signing"
	"github.com/hookcast/hookcast/tenants/source"
	"github.com/hookcast/hookcast/tenants/worker"
)

// Intake is the way into the ingest queue, for Receiver and Publisher alike: limits, duplicates, and the queue.
type Intake struct {
	limits   tenants.LimitLookup
	log      *eventlog.Log
	queue    tenants.Queue
	rate     *cache.Rate[tenants.TenantID]
	sources  *cache.Rate[string] // by their ids
	marker   marker
	month    *monthLimit
	channels *channelCount
	notices  *Notices
	last     *lastLimits
}

// NewIntake returns an Intake to q. The rate of events is counted per Intake: a process needs one.
func NewIntake(limits tenants.LimitLookup, l *eventlog.Log, q tenants.Queue) *Intake {
	return &Intake{
		limits: limits, log: l, queue: q, rate: cache.NewRate[tenants.TenantID](10_000), sources: cache.NewRate[string](10_000), marker: newMarker(), month: newMonthLimit(projection.NewMonthlyUsage(l.Table)),
		channels: newChannelCount(l), notices: NewNotices(q), last: &lastLimits{read: make(map[tenants.TenantID]tenants.Limits)},
	}
}

// Accepted is the answer to a webhook or a publish.
type Accepted struct {
	ID, Channel string
	Tenant      tenants.TenantID // whose event it is
	Duplicate   bool             // the event is in its channel already; nothing was enqueued
	Reply       *signing.Reply   // the answer to a provider's handshake, to be sent as it is; there is no event then
	Response    *source.Response // the source's own answer to an event; nil: the transport's
	Allow       []string         // with MethodNotAllowed: the methods that the source takes
}

// Take counts one event against the tenant's rate: TooMany event_rate.
func (in *Intake) Take(tenant tenants.TenantID, t Terms) error {
	wait, ok := in.rate.Take(tenant, t.Limits.EventsPerSecond, 1)
	return tooFast(ok, wait, "event_rate", t.Limits.EventsPerSecond)
}

// AwaitTurn is Take that waits for its turn until ctx ends.
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

// Admit counts one event of the channel against the month's and the channels' limits: TooMany event_month_limit, channel_limit. An event of a
// channel that its owner does not name ("") counts against the month alone.
func (in *Intake) Admit(ctx context.Context, t Terms, ch tenants.ChannelKey) error {
	_, _, err := in.admit(ctx, t, ch, time.Now())
	return err
}

// admit is Admit that says how much of the month's limit, and of the channels', is used with this event; 0 where it was not counted.
func (in *Intake) admit(ctx context.Context, t Terms, ch tenants.ChannelKey, now time.Time) (events int64, channels int, err error) {
	if events, err = in.month.take(ctx, ch.Tenant, t, now); err != nil {
		return 0, 0, err
	}
	if ch.Name == "" {
		return events, 0, nil
	}
	if channels, err = in.channels.admit(ctx, ch, t); err != nil {
		in.month.giveBack(ch.Tenant)
	}
	return events, channels, err
}

// Send hands events that were admitted to the appender. They are accepted for good when it returns nil.
func (in *Intake) Send(ctx context.Context, t Terms, events ...tenants.Event) error {
	ms := make([]tenants.Message, len(events))
	for i, e := range events {
		ms[i] = in.marker.message(e, t)
	}
	return in.queue.Send(ctx, ms...)
}

// tooFast is TooMany where a bucket did not have what was asked of it.
func tooFast(ok bool, wait time.Duration, code string, perSecond int) error {
	if ok {
		return nil
	}
	err := tenants.Errorf(tenants.TooMany, code, "more than %d events per second", perSecond)
	err.RetryAfter = max(wait, time.Second)
	return err
}

// enqueue hands e to the appender. It is accepted for good when this returns nil. May it be a repeat, so that its id follows from the
// sender's, e is looked for in the log first.
//
// What is read of the table here only saves work: the log knows duplicates by itself. So a table that cannot be read costs no
// acknowledgement, but to who proves nothing; the queue holds what comes until it can be.
func (in *Intake) enqueue(ctx context.Context, e tenants.Event, terms Terms, repeat bool) (Accepted, error) {
	limits := terms.Limits
	if repeat {
		var known bool
		if e, known = in.log.Recognise(ctx, e); known {
			return Accepted{ID: e.ID, Channel: e.Channel, Tenant: e.Tenant, Duplicate: true}, nil
		}
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
	if tenants.NearLimit(int64(in.rate.Used(e.Tenant)), int64(limits.EventsPerSecond)) {
		in.notices.Scarce(ctx, e.Tenant, limits, "events_per_second", int64(limits.EventsPerSecond), now.UTC().Format(time.DateOnly))
	}
	month := projection.MonthOf(now)
	if tenants.NearLimit(used, limits.EventsPerMonth) {
		in.notices.Scarce(ctx, e.Tenant, limits, "events_per_month", limits.EventsPerMonth, month)
	}
	if tenants.NearLimit(int64(channels), int64(limits.Channels)) {
		in.notices.Scarce(ctx, e.Tenant, limits, "channels", int64(limits.Channels), month)
	}
	return Accepted{ID: e.ID, Channel: e.Channel, Tenant: e.Tenant}, nil
}

// carry is e as the queue carries it.
func carry(e tenants.Event) tenants.Message {
	group := tenants.HashParts(string(e.Tenant), e.Channel)
	dedupe := tenants.HashParts(e.ID, string(e.Data))
	return tenants.Message{Group: hex.EncodeToString(group[:]), Dedupe: hex.EncodeToString(dedupe[:]), Body: tenants.EncodeEvent(e)}
}

// keep is how long the log keeps an event under these limits.
func keep(limits tenants.Limits) time.Duration {
	if limits.RetentionSeconds <= 0 || limits.RetentionSeconds > math.MaxInt64/int64(time.Second) {
		return -1
	}
	return time.Duration(limits.RetentionSeconds) * time.Second
}
