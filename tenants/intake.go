package tenants

import (
	"context"
	"encoding/hex"
	"math"
	"time"

	"github.com/hookcast/hookcast/tenants/signing"
)

// LimitLookup tells a tenant's limits; Accounts is one. A tenant that may not act: Forbidden tenant_suspended, or NotFound.
type LimitLookup interface {
	Limits(ctx context.Context, tenant TenantID) (Limits, error)
}

// Intake is the way into the ingest queue, for Receiver and Publisher alike: limits, duplicates, and the queue.
type Intake struct {
	limits   LimitLookup
	log      *Log
	queue    Queue
	rate     *Rate[TenantID]
	sources  *Rate[string] // by their ids
	marker   marker
	month    *monthLimit
	channels *channelCount
	notices  *Notices
	last     *lastLimits
}

// NewIntake returns an Intake to q. The rate of events is counted per Intake: a process needs one.
func NewIntake(limits LimitLookup, l *Log, q Queue) *Intake {
	return &Intake{
		limits: limits, log: l, queue: q, rate: NewRate[TenantID](10_000), sources: NewRate[string](10_000), marker: newMarker(), month: newMonthLimit(NewMonthlyUsage(l.table)),
		channels: newChannelCount(l), notices: NewNotices(q), last: &lastLimits{read: make(map[TenantID]Limits)},
	}
}

// Accepted is the answer to a webhook or a publish.
type Accepted struct {
	ID, Channel string
	Tenant      TenantID        // whose event it is
	Duplicate   bool            // the event is in its channel already; nothing was enqueued
	Reply       *signing.Reply  // the answer to a provider's handshake, to be sent as it is; there is no event then
	Response    *SourceResponse // the source's own answer to an event; nil: the transport's
	Allow       []string        // with MethodNotAllowed: the methods that the source takes
}

// Take counts one event against the tenant's rate: TooMany event_rate.
func (in *Intake) Take(tenant TenantID, t Terms) error {
	wait, ok := in.rate.Take(tenant, t.Limits.EventsPerSecond, 1)
	return tooFast(ok, wait, "event_rate", t.Limits.EventsPerSecond)
}

// AwaitTurn is Take that waits for its turn until ctx ends.
func (in *Intake) AwaitTurn(ctx context.Context, tenant TenantID, t Terms) error {
	for {
		pause, ok := in.rate.Take(tenant, t.Limits.EventsPerSecond, 1)
		if ok {
			return nil
		}
		if !wait(ctx, pause) {
			return ctx.Err()
		}
	}
}

// Admit counts one event of the channel against the month's and the channels' limits: TooMany event_month_limit, channel_limit. An event of a
// channel that its owner does not name ("") counts against the month alone.
func (in *Intake) Admit(ctx context.Context, t Terms, ch ChannelKey) error {
	_, _, err := in.admit(ctx, t, ch, time.Now())
	return err
}

// admit is Admit that says how much of the month's limit, and of the channels', is used with this event; 0 where it was not counted.
func (in *Intake) admit(ctx context.Context, t Terms, ch ChannelKey, now time.Time) (events int64, channels int, err error) {
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
func (in *Intake) Send(ctx context.Context, t Terms, events ...Event) error {
	ms := make([]Message, len(events))
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
	err := Errorf(TooMany, code, "more than %d events per second", perSecond)
	err.RetryAfter = max(wait, time.Second)
	return err
}

// enqueue hands e to the appender. It is accepted for good when this returns nil. May it be a repeat, so that its id follows from the
// sender's, e is looked for in the log first.
//
// What is read of the table here only saves work: the log knows duplicates by itself. So a table that cannot be read costs no
// acknowledgement, but to who proves nothing; the queue holds what comes until it can be.
func (in *Intake) enqueue(ctx context.Context, e Event, terms Terms, repeat bool) (Accepted, error) {
	limits := terms.Limits
	if repeat {
		var known bool
		if e, known = in.log.Recognise(ctx, e); known {
			return Accepted{ID: e.ID, Channel: e.Channel, Tenant: e.Tenant, Duplicate: true}, nil
		}
	}
	now := time.Now()
	used, channels, err := in.admit(ctx, terms, ChannelKey{Tenant: e.Tenant, Name: e.Channel}, now)
	if err != nil {
		return Accepted{}, err
	}
	if err := in.Send(ctx, terms, e); err != nil {
		in.month.giveBack(e.Tenant)
		return Accepted{}, err
	}
	if scarce(int64(in.rate.Used(e.Tenant)), int64(limits.EventsPerSecond)) {
		in.notices.Scarce(ctx, e.Tenant, limits, "events_per_second", int64(limits.EventsPerSecond), now.UTC().Format(time.DateOnly))
	}
	month := monthOf(now)
	if scarce(used, limits.EventsPerMonth) {
		in.notices.Scarce(ctx, e.Tenant, limits, "events_per_month", limits.EventsPerMonth, month)
	}
	if scarce(int64(channels), int64(limits.Channels)) {
		in.notices.Scarce(ctx, e.Tenant, limits, "channels", int64(limits.Channels), month)
	}
	return Accepted{ID: e.ID, Channel: e.Channel, Tenant: e.Tenant}, nil
}

// message is what the queue carries of e, which comes in under those terms. Whatever goes to the ingest queue is made here.
func (m marker) message(e Event, terms Terms) Message {
	if terms.known && !ownJobChannel(e.Channel) { // what a job leaves there is kept no longer than anything is
		e.Keep = keep(terms.Limits)
	}
	e.Trace = m.mark(e, terms, time.Now())
	return carry(e)
}

// carry is e as the queue carries it.
func carry(e Event) Message {
	group := hashParts(string(e.Tenant), e.Channel)
	dedupe := hashParts(e.ID, string(e.Data))
	return Message{Group: hex.EncodeToString(group[:]), Dedupe: hex.EncodeToString(dedupe[:]), Body: EncodeEvent(e)}
}

// keep is how long the log keeps an event under these limits.
func keep(limits Limits) time.Duration {
	if limits.RetentionSeconds <= 0 || limits.RetentionSeconds > math.MaxInt64/int64(time.Second) {
		return -1
	}
	return time.Duration(limits.RetentionSeconds) * time.Second
}
