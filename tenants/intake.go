package tenants

import (
	"bytes"
	"context"
	"crypto/sha256"
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

// take counts one event against the tenant's rate.
func (in *Intake) take(tenant TenantID, limits Limits) error {
	wait, ok := in.rate.Take(tenant, limits.EventsPerSecond, 1)
	return tooFast(ok, wait, "event_rate", limits.EventsPerSecond)
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
func (in *Intake) enqueue(ctx context.Context, e Event, terms terms, repeat bool) (Accepted, error) {
	limits := terms.limits
	if repeat {
		var known bool
		if e, known = in.recognise(ctx, e); known {
			return Accepted{ID: e.ID, Channel: e.Channel, Tenant: e.Tenant, Duplicate: true}, nil
		}
	}
	now := time.Now()
	used, err := in.month.take(ctx, e.Tenant, terms, now)
	if err != nil {
		return Accepted{}, err
	}
	channels, err := in.channels.admit(ctx, channelKey{e.Tenant, e.Channel}, terms)
	if err == nil {
		err = in.queue.Send(ctx, in.marker.message(e, terms))
	}
	if err != nil {
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
func (m marker) message(e Event, terms terms) Message {
	if !ownJobChannel(e.Channel) { // what a job leaves there is kept no longer than anything is
		e.Keep = keep(terms.limits)
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

// recognise tells whether e is in the log: known then, with its id and channel there. Where its id is claimed for another body, e comes
// back as the event that the log would make of it. A claim alone does not count: its event may wait among the dead letters.
func (in *Intake) recognise(ctx context.Context, e Event) (_ Event, known bool) {
	hash := sha256.Sum256(e.Data)
	for range 2 { // the id as sent, and the one derived from it and the body
		c, err := in.log.claimOf(ctx, e.Tenant, e.ID)
		if err != nil {
			return e, false
		}
		if !bytes.Equal(c.BodyHash, hash[:]) {
			e = e.derived(c)
			continue
		}
		stored, err := in.log.at(ctx, channelKey{e.Tenant, c.Channel}, c.Seq)
		if err != nil || stored.ID != e.ID {
			return e, false
		}
		return stored, true
	}
	return e, false
}

// keep is how long the log keeps an event under these limits.
func keep(limits Limits) time.Duration {
	if limits.RetentionSeconds <= 0 || limits.RetentionSeconds > math.MaxInt64/int64(time.Second) {
		return -1
	}
	return time.Duration(limits.RetentionSeconds) * time.Second
}
