package delivery

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/cache"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/record"
	"github.com/hookcast/hookcast/tenants/worker"
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
	cursor, was, err := d.cursor(ctx, ep, m.Channel)
	if err != nil {
		return OutcomeFailed, err
	}
	w := &channelWalk{Deliverer: d, ep: ep, m: m, cursor: cursor, was: was}
	now := time.Now()
	if w.cursor.Wake.After(now) && !m.Force && m.Wake != w.cursor.Wake.UnixMilli() {
		return OutcomeDropped, nil
	}
	w.cursor.Wake = time.Time{}
	if paused {
		until := d.spread(now.Add(endpoint.RecheckEvery), endpoint.RecheckEvery/4)
		if !until.Before(ep.Deadline(m.Began)) { // once it is enabled, the next event continues at the cursor
			return outcomeOf(OutcomeDropped, w.save(ctx))
		}
		return w.pause(ctx, until)
	}
	if w.health, _, err = d.healths().Find(ctx, m.Tenant, m.Endpoint); err != nil {
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
			if end, ok := ctx.Deadline(); ok && time.Until(end) < leastTime || d.ended() != nil {
				w.m.Hop++ // the rest goes to the end of the lane
				if err := w.save(ctx); err != nil {
					return OutcomeFailed, err
				}
				return outcomeOf(OutcomeDelivered, d.Ready.Send(ctx, w.m.ready(ep)))
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
	cursor.Next, err = d.Log.FirstSince(ctx, key, 1, end, since.Unix())
	return cursor, was, err
}

// deliver handles one event. After OutcomeDelivered, which events that are not for the endpoint have too, and after
// OutcomeDead the walk continues with the next one.
func (w *channelWalk) deliver(ctx context.Context, e tenants.Event) (Outcome, error) {
	if !w.accepts(ctx, w.ep, e) {
		return OutcomeDelivered, nil
	}
	first := sendMessage(w.ep, e, "", time.Now())
	d, was, err := w.find(ctx, w.ep.Tenant, w.ep.ID, first.Delivery)
	if err != nil {
		return OutcomeFailed, err
	}
	t := task{ep: w.ep, m: w.m, d: d, was: was, event: e, health: w.health}
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
		w.cursor.Wake = due
		return outcomeOf(outcome, w.save(ctx))
	case outcome == OutcomeDropped: // another worker has the channel, too
		return w.pause(ctx, time.Now().Add(time.Second))
	case outcome == OutcomeDelivered:
		w.health = endpoint.Health{}
	}
	w.Observe(outcome)
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
	if err := w.wakeAt(ctx, due); err != nil {
		return OutcomeFailed, err
	}
	w.cursor.Wake = due
	return outcomeOf(OutcomeHeld, w.save(ctx))
}

// save writes the cursor. If it is refused, another worker has the channel too and is further.
func (w *channelWalk) save(ctx context.Context) error {
	key := cursorKey(w.ep.Tenant, w.ep.ID, w.m.Channel)
	w.cursor.Wake = w.cursor.Wake.Truncate(time.Millisecond).UTC() // as the message says it
	err := w.Table.Write(ctx, tenants.Put(key, record.Encode(w.cursor), time.Now().Add(cursorLife), w.was))
	if tenants.IsRefused(err) {
		return nil
	}
	return err
}

// While an ordered endpoint is disabled its events are not dispatched, and the messages that walk its channels end.
// So that quiet channels continue too once it is enabled, each channel that it has not finished gets a new message.
// This goes page by page, in messages of the waiting queue.

const (
	resumePage  = 100                         // channels
	resumeDelay = cache.ReadTTL + time.Second // by then every process knows that the endpoint is enabled
)

// Resume sends an ordered endpoint that has just been enabled the events that it has not received, within a few
// seconds. Failed attempts keep their schedule. For any other endpoint it does nothing. It may be called again.
func (d *Deliveries) Resume(ctx context.Context, ep endpoint.Endpoint) error {
	if !ep.Ordered || ep.State != endpoint.Enabled {
		return nil
	}
	now := time.Now()
	due := now.Add(resumeDelay)
	return d.wait(ctx, message{Do: doResume, Tenant: ep.Tenant, Endpoint: ep.ID, Began: now.UTC(), Due: due})
}

// resume sends the messages for a page of the endpoint's channels, those after m.Channel.
func (d *Deliverer) resume(ctx context.Context, m message) error {
	ctx, cancel := context.WithTimeout(ctx, AttemptTime)
	defer cancel()
	ep, err := d.Endpoints.Get(ctx, m.Tenant, m.Endpoint)
	if tenants.IsNotFound(err) || err == nil && (!ep.Ordered || ep.State != endpoint.Enabled) {
		return nil
	}
	if err != nil {
		return err
	}
	page, err := d.Log.Channels(ctx, m.Tenant, m.Channel, resumePage)
	if err != nil {
		return err
	}
	rest := make([]message, len(page)) // the zero message: nothing is left of the channel
	err = worker.Parallel(len(page), worker.GroupsAtOnce, func(i int) (err error) {
		if name := page[i].Name; ep.WantsChannel(name) {
			rest[i], err = d.restOf(ctx, ep, name, m.Began)
		}
		return err
	})
	if err != nil {
		return err
	}
	var ready []tenants.Message
	for _, r := range rest {
		if r.Do != "" {
			ready = append(ready, r.ready(ep))
		}
	}
	if err := sendAll(ctx, d.Ready, ready); err != nil || len(page) < resumePage {
		return err
	}
	m.Channel = page[len(page)-1].Name
	return d.wait(ctx, m.again(time.Now().Add(replayPause)))
}

// restOf returns the message for the rest of a channel, or the zero message if nothing is left. It ends a pause,
// because the pause may have waited for the endpoint.
func (d *Deliverer) restOf(ctx context.Context, ep endpoint.Endpoint, name string, began time.Time) (message, error) {
	cursor, _, err := d.cursor(ctx, ep, name)
	if err != nil {
		return message{}, err
	}
	tail, err := d.Log.Tail(ctx, ep.Tenant, name)
	if err != nil || cursor.Next > tail {
		return message{}, err
	}
	m := message{
		Do: doChannel, Tenant: ep.Tenant, Endpoint: ep.ID, Channel: name, Began: began, Hop: began.UnixNano(),
	}
	if !cursor.Wake.IsZero() {
		m.Wake = cursor.Wake.UnixMilli()
	}
	return m, nil
}
