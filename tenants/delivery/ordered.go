package delivery

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/record"
)

// An ordered endpoint has no message for each event: the log is its queue. A message with doChannel delivers a
// channel's events from its cursor row on, one after the other, and pauses while the first one waits for its next
// attempt. A message in the waiting queue ends the pause; those that are dispatched meanwhile find the pause and are
// dropped. All messages of a channel share a lane, so one worker at a time has the channel. If two have it all the
// same, the rows of the deliveries say which are done.

// cursorRecord is the row pump/{endpoint}/{channel}.
type cursorRecord struct {
	Next int64     // the first sequence number that is not done
	Wake time.Time // the end of the pause, in milliseconds; zero: there is none
}

const (
	rowCursor  tenants.Kind = "pump" // {tenant}, endpoint id, "/", channel
	cursorLife              = 60 * 24 * time.Hour
	cursorPage              = 32
	// firstReach is the greatest age of events that a channel's first walk begins with: those that the change feed,
	// which keeps changes for a day, may have led to it.
	firstReach = 24 * time.Hour
	// leastTime is the time that must be left for another event.
	leastTime = AttemptTime - AttemptTime/5
)

func cursorKey(t tenants.TenantID, endpoint, channel string) tenants.Key {
	return tenants.Key{Tenant: t, Kind: rowCursor, Sort: endpoint + "/" + channel}
}

// channelWalk is the delivery of a channel to an ordered endpoint, for one message.
type channelWalk struct {
	*Deliverer
	ep     endpoint.Endpoint
	m      message
	cursor cursorRecord
	was    tenants.Condition // of the cursor's row
	health endpoint.Health
}

// deliverChannel delivers the events of the message's channel that an ordered endpoint has not received.
func (d *Deliverer) deliverChannel(ctx context.Context, ep endpoint.Endpoint, m message, paused bool) (Outcome, error) {
	w := &channelWalk{Deliverer: d, ep: ep, m: m}
	var err error
	if w.cursor, w.was, err = d.cursor(ctx, ep, m.Channel); err != nil {
		return OutcomeFailed, err
	}
	now := time.Now()
	if w.cursor.Wake.After(now) && !m.Force && m.Wake != w.cursor.Wake.UnixMilli() {
		return OutcomeDropped, nil
	}
	w.cursor.Wake = time.Time{}
	if paused {
		until := d.spread(now.Add(endpoint.RecheckEvery), endpoint.RecheckEvery/4)
		// the channel's next event, once it is enabled, continues at the cursor
		if !until.Before(ep.Deadline(m.Began)) {
			return outcomeOf(OutcomeDropped, w.save(ctx))
		}
		return w.pause(ctx, until)
	}
	if w.health, _, err = d.healths().Of(ctx, m.Tenant, m.Endpoint); err != nil {
		return OutcomeFailed, err
	}
	for {
		page, err := d.Log.Read(ctx, m.Tenant, m.Channel, w.cursor.Next-1, cursorPage, tenants.Retention{})
		if err != nil {
			return OutcomeFailed, err
		}
		if len(page.Events) == 0 {
			w.cursor.Next = page.Cursor(w.cursor.Next-1) + 1
			return outcomeOf(OutcomeDelivered, w.save(ctx))
		}
		for _, e := range page.Events {
			if end, ok := ctx.Deadline(); ok && time.Until(end) < leastTime || d.ends() {
				return w.continueLater(ctx)
			}
			outcome, err := w.deliver(ctx, e)
			if err != nil {
				_ = w.save(ctx) // spares the next worker the events that are done
				return OutcomeFailed, err
			}
			if outcome != OutcomeDelivered && outcome != OutcomeDead {
				return outcome, nil
			}
			w.cursor.Next = e.Seq + 1
			if ep, err := d.endpoint(ctx, m); err != nil || ep.State != endpoint.Enabled { // the attempt disabled it
				return outcomeOf(outcome, w.save(ctx))
			}
		}
	}
}

// ends reports whether no attempt may begin any more.
func (d *Deliverer) ends() bool {
	select {
	case <-d.ending:
		return true
	default:
		return false
	}
}

// cursor reads how far an ordered endpoint is in a channel. Without a row, it is at the first event since the
// endpoint was created, or of the last day.
func (d *Deliverer) cursor(ctx context.Context, ep endpoint.Endpoint, channel string) (
	cursor cursorRecord, was tenants.Condition, err error) {
	cursor, was, err = record.Find[cursorRecord](ctx, d.Table, cursorKey(ep.Tenant, ep.ID, channel))
	if err != nil || !was.IsAbsent() {
		return cursor, was, err
	}
	end, err := d.Log.Tail(ctx, ep.Tenant, channel)
	if err != nil {
		return cursor, was, err
	}
	since := later(ep.Created, time.Now().Add(-firstReach))
	key := tenants.ChannelKey{Tenant: ep.Tenant, Name: channel}
	cursor.Next, err = d.Log.Youngest(ctx, key, 1, end, since.Unix())
	return cursor, was, err
}

// deliver handles one event. After OutcomeDelivered, which events that are not for the endpoint have too, and after
// OutcomeDead the walk continues with the next one.
func (w *channelWalk) deliver(ctx context.Context, e tenants.Event) (Outcome, error) {
	if !w.accepts(ctx, w.ep, e) {
		return OutcomeDelivered, nil
	}
	first := sendMessage(w.ep, e, "", time.Now())
	t := task{ep: w.ep, m: w.m, event: e, health: w.health}
	var err error
	if t.d, t.was, err = w.find(ctx, w.ep.Tenant, w.ep.ID, first.Delivery); err != nil {
		return OutcomeFailed, err
	}
	switch {
	case t.was.IsAbsent():
		t.d = first.delivery(e.Type)
	case t.d.State != Pending:
		return OutcomeDelivered, nil
	case time.Until(t.d.Next) > dueWithin && !w.m.Force:
		return w.pause(ctx, t.d.Next)
	}
	until, err := w.holdUntil(ctx, t, false)
	switch {
	case err != nil:
		return OutcomeFailed, err
	case until.IsZero():
	case until.Before(w.ep.Deadline(t.d.Began)):
		return w.pause(ctx, until)
	default:
		return w.die(ctx, t, ReasonExpired)
	}
	w.m.Force = false // it is for one attempt
	var due time.Time
	outcome, err := w.attempt(ctx, t, func(ctx context.Context, next time.Time, _ int) error {
		due = next
		return w.wakeAt(ctx, next)
	})
	switch {
	case err != nil:
		return outcome, err
	case outcome == OutcomeRetry:
		return outcomeOf(outcome, w.savePause(ctx, due))
	case outcome == OutcomeDropped: // another worker has the channel, too
		return w.pause(ctx, time.Now().Add(time.Second))
	case outcome == OutcomeDelivered:
		w.health = endpoint.Health{}
	}
	w.observe(outcome)
	return outcome, nil
}

// wakeAt sends the message that ends a pause.
func (w *channelWalk) wakeAt(ctx context.Context, due time.Time) error {
	m := w.m.again(due)
	m.Wake, m.Force = due.UnixMilli(), false
	return w.wait(ctx, m)
}

// pause puts the channel off until due.
func (w *channelWalk) pause(ctx context.Context, due time.Time) (Outcome, error) {
	err := w.wakeAt(ctx, due)
	if err == nil {
		err = w.savePause(ctx, due)
	}
	return outcomeOf(OutcomeHeld, err)
}

func (w *channelWalk) savePause(ctx context.Context, due time.Time) error {
	w.cursor.Wake = time.UnixMilli(due.UnixMilli()).UTC()
	return w.save(ctx)
}

// save writes the cursor. If it is refused, another worker has the channel too and is further.
func (w *channelWalk) save(ctx context.Context) error {
	key := cursorKey(w.ep.Tenant, w.ep.ID, w.m.Channel)
	err := w.Table.Write(ctx, tenants.Put(key, record.Encode(w.cursor), time.Now().Add(cursorLife), w.was))
	if tenants.IsRefused(err) {
		return nil
	}
	return err
}

// continueLater puts the rest of the channel at the end of its lane.
func (w *channelWalk) continueLater(ctx context.Context) (Outcome, error) {
	if err := w.save(ctx); err != nil {
		return OutcomeFailed, err
	}
	m := w.m
	m.Hop++
	return outcomeOf(OutcomeDelivered, w.Ready.Send(ctx, m.ready(w.ep)))
}
