package delivery

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/record"
)

// An ordered endpoint has nothing queued for each event: the log is its queue. A pump walks a channel from where its cursor row says, one
// event after the other, and naps while the head waits for its next attempt; the message that ends the nap is in the queue of what
// waits. What is dispatched meanwhile finds the nap and is dropped. All pumps of a channel have one lane, so that no two walk at once; should
// it come to that, the deliveries' own rows say what is done.

// pumpRecord is the row pump/{endpoint}/{channel}.
type pumpRecord struct {
	Next int64     // the first number that is not done with
	Wake time.Time // the nap's end, in milliseconds; zero: awake
}

const (
	rowPump     tenants.Kind = "pump" // {tenant}, endpoint id, "/", channel
	pumpLife                 = 60 * 24 * time.Hour
	pumpPage                 = 32
	pumpReach                = 24 * time.Hour // how long ago at most an event was received that a first pump begins with: the change feed has it no longer
	pumpAtLeast              = attemptTime - attemptTime/5
)

// pumping is a pump at work.
type pumping struct {
	*Deliverer
	ep     endpoint.Endpoint
	m      errand
	cursor pumpRecord
	was    tenants.Condition
	h      endpoint.Health
}

func pumpKey(t tenants.TenantID, endpoint, channel string) tenants.Key {
	return tenants.Key{Tenant: t, Kind: rowPump, Sort: endpoint + "/" + channel}
}

// pump delivers what an ordered endpoint has yet to get of a channel.
func (d *Deliverer) pump(ctx context.Context, ep endpoint.Endpoint, m errand, away bool) (Outcome, error) {
	p := &pumping{Deliverer: d, ep: ep, m: m}
	var err error
	if p.cursor, p.was, err = d.pumpCursor(ctx, ep, m.Channel); err != nil {
		return OutcomeFailed, err
	}
	now := time.Now()
	if p.cursor.Wake.After(now) && !m.Force && m.Wake != p.cursor.Wake.UnixMilli() {
		return OutcomeDropped, nil
	}
	p.cursor.Wake = time.Time{}
	if away {
		until := d.spread(now.Add(endpoint.RecheckEvery), endpoint.RecheckEvery/4)
		if !until.Before(ep.Deadline(m.Began)) { // the next event of the channel, once it is back, goes on from the cursor
			return outcomeOf(OutcomeDropped, p.save(ctx))
		}
		return outcomeOf(OutcomeHeld, p.nap(ctx, until))
	}
	if p.h, _, err = d.healths().Find(ctx, m.Tenant, m.Endpoint); err != nil {
		return OutcomeFailed, err
	}
	for {
		page, err := d.Log.Read(ctx, m.Tenant, m.Channel, p.cursor.Next-1, pumpPage, tenants.Retention{})
		if err != nil {
			return OutcomeFailed, err
		}
		if len(page.Events) == 0 {
			p.cursor.Next = page.Cursor(p.cursor.Next-1) + 1
			return outcomeOf(OutcomeDelivered, p.save(ctx))
		}
		for _, e := range page.Events {
			if end, ok := ctx.Deadline(); ok && time.Until(end) < pumpAtLeast || p.ends() {
				return p.goOn(ctx)
			}
			outcome, err := p.one(ctx, e)
			if err != nil {
				_ = p.save(ctx) // what is done need not be looked at again
				return OutcomeFailed, err
			}
			if outcome != OutcomeDelivered && outcome != OutcomeDead {
				return outcome, nil
			}
			p.cursor.Next = e.Seq + 1
			if d.stopped(ctx, p.m) {
				return outcomeOf(outcome, p.save(ctx))
			}
		}
	}
}

// ends tells whether no attempt is to be begun any more.
func (d *Deliverer) ends() bool {
	select {
	case <-d.ending:
		return true
	default:
		return false
	}
}

// stopped tells whether the endpoint has been disabled by what came of an attempt of ours.
func (d *Deliverer) stopped(ctx context.Context, m errand) bool {
	ep, err := d.endpoint(ctx, m)
	return err != nil || ep.State != endpoint.Enabled
}

// pumpCursor reads how far an ordered endpoint is in a channel. Where no pump has been, it is to begin with what was received since the endpoint was made,
// or lately.
func (d *Deliverer) pumpCursor(ctx context.Context, ep endpoint.Endpoint, channel string) (cursor pumpRecord, was tenants.Condition, err error) {
	row, err := d.Table.Get(ctx, pumpKey(ep.Tenant, ep.ID, channel))
	if err == nil {
		cursor, err = record.Decode[pumpRecord](row)
		return cursor, tenants.At(row.Version), err
	}
	if !tenants.IsNotFound(err) {
		return cursor, was, err
	}
	end, err := d.Log.Tail(ctx, ep.Tenant, channel)
	if err != nil {
		return cursor, was, err
	}
	since := time.Now().Add(-pumpReach)
	if ep.Created.After(since) {
		since = ep.Created
	}
	cursor.Next, err = d.Log.FirstSince(ctx, tenants.ChannelKey{Tenant: ep.Tenant, Name: channel}, 1, end, since.Unix())
	return cursor, tenants.Absent(), err
}

// one deals with one event. Delivered and Dead: the pump goes on behind it, and with what is not for the endpoint too.
func (p *pumping) one(ctx context.Context, e tenants.Event) (Outcome, error) {
	if e.Time.Before(p.ep.Created) {
		return OutcomeDelivered, nil
	}
	matches, err := p.Endpoints.Matches(p.ep, e)
	if err != nil {
		p.warn(ctx, "an event's endpoint cannot be told", "tenant", p.ep.Tenant, "endpoint", p.ep.ID, "event", e.ID, "error", err)
	}
	if !matches {
		return OutcomeDelivered, nil
	}
	t := task{ep: p.ep, m: p.m, event: e, h: p.h}
	id := deliveryID(p.ep.ID, e, "")
	if t.d, t.was, err = p.find(ctx, p.ep.Tenant, p.ep.ID, id); err != nil {
		return OutcomeFailed, err
	}
	now := time.Now()
	switch {
	case t.was.IsAbsent():
		t.d = Delivery{
			ID: id, Tenant: p.ep.Tenant, Endpoint: p.ep.ID, Event: e.ID, Channel: e.Channel, Seq: e.Seq, Type: e.Type, State: Pending, Began: now.UTC(),
		}
	case t.d.State != Pending:
		return OutcomeDelivered, nil
	case t.d.Next.Sub(now) > soon && !p.m.Force:
		return outcomeOf(OutcomeHeld, p.nap(ctx, t.d.Next))
	}
	until, err := p.mayTry(ctx, &t, false)
	if err != nil {
		return OutcomeFailed, err
	}
	if !until.IsZero() {
		if !until.Before(p.ep.Deadline(t.d.Began)) {
			return outcomeOf(OutcomeDead, p.die(ctx, t, ReasonExpired))
		}
		return outcomeOf(OutcomeHeld, p.nap(ctx, until))
	}
	p.m.Force = false // it is for one attempt
	var due time.Time
	outcome, err := p.attempt(ctx, t, func(ctx context.Context, next time.Time, _ int) error {
		due = next
		return p.arm(ctx, next)
	})
	switch {
	case err != nil:
	case outcome == OutcomeRetry:
		err = p.rest(ctx, due)
	case outcome == OutcomeDropped: // another walks here, too
		return outcomeOf(OutcomeHeld, p.nap(ctx, time.Now().Add(time.Second)))
	case outcome == OutcomeDelivered:
		p.observe(outcome)
		p.h = endpoint.Health{}
	default:
		p.observe(outcome)
	}
	return outcomeOf(outcome, err)
}

// arm sees to it that the nap ends.
func (p *pumping) arm(ctx context.Context, due time.Time) error {
	m := p.m.again(due)
	m.Wake, m.Force = due.UnixMilli(), false
	return p.wait(ctx, m)
}

// nap sleeps until due.
func (p *pumping) nap(ctx context.Context, due time.Time) error {
	if err := p.arm(ctx, due); err != nil {
		return err
	}
	return p.rest(ctx, due)
}

func (p *pumping) rest(ctx context.Context, due time.Time) error {
	p.cursor.Wake = time.UnixMilli(due.UnixMilli()).UTC()
	return p.save(ctx)
}

// save writes the cursor. Refused: another walks here too, and further.
func (p *pumping) save(ctx context.Context) error {
	now := time.Now()
	err := p.Table.Write(ctx, tenants.Put(pumpKey(p.ep.Tenant, p.ep.ID, p.m.Channel), record.Encode(p.cursor), now.Add(pumpLife), p.was))
	if tenants.IsRefused(err) {
		return nil
	}
	return err
}

// goOn puts the pump at the end of its lane.
func (p *pumping) goOn(ctx context.Context) (Outcome, error) {
	if err := p.save(ctx); err != nil {
		return OutcomeFailed, err
	}
	m := p.m
	m.Hop++
	return outcomeOf(OutcomeDelivered, p.Ready.Send(ctx, m.ready(p.ep)))
}
