package delivery

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/record"
)

// replay does a page of a replay, and sends the message for the next one.
func (d *Deliverer) replay(ctx context.Context, m errand) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	row, err := d.Table.Get(ctx, replayKey(m.Tenant, m.Delivery))
	if tenants.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	r, err := record.Decode[Replay](row)
	if err != nil || r.State != ReplayRunning || r.Page != m.Attempt {
		return err
	}
	w := &replaying{Outbox: d.Outbox, r: r}
	limits, err := d.Tenants.Limits(ctx, m.Tenant)
	switch {
	case tenants.IsNotFound(err):
		return nil
	case tenants.KindOf(err) == tenants.Forbidden && err != nil:
		return d.wait(ctx, m.again(time.Now().Add(endpoint.RecheckEvery)))
	case err != nil:
		return err
	}
	w.retention = limits.Retention()
	due := time.Now().Add(replayPause)
	if r.Endpoint != "" {
		w.ep, err = d.Endpoints.Get(ctx, m.Tenant, r.Endpoint)
		switch {
		case tenants.IsNotFound(err):
			w.fail("the endpoint is gone")
		case err != nil:
			return err
		case w.ep.State != endpoint.Enabled:
			w.fail("the endpoint is " + string(w.ep.State))
		default:
			h, _, err := d.healths().Find(ctx, m.Tenant, r.Endpoint)
			if err != nil {
				return err
			}
			if until := later(h.HeldUntil(time.Now()), h.Full); until.After(time.Now()) { // it has more than enough to do
				return d.wait(ctx, m.again(d.spread(until, replayPause)))
			}
		}
	}
	if !w.over {
		if err := w.page(ctx); err != nil {
			return err
		}
	}
	w.r.Page++
	if w.over && w.r.State == ReplayRunning {
		w.r.State = ReplayDone
	}
	if !w.over { // before the row, which makes this message late
		if err := d.wait(ctx, w.r.errand(due)); err != nil {
			return err
		}
	}
	err = d.Table.Write(ctx, w.r.put(tenants.At(row.Version)))
	if tenants.IsRefused(err) {
		return nil // another has done the page
	}
	return err
}

// replaying is a replay at work.
type replaying struct {
	*Outbox
	r         Replay
	ep        endpoint.Endpoint
	retention tenants.Retention
	dry       bool // only count
	over      bool
}

func (w *replaying) fail(why string) {
	w.r.State, w.r.Reason, w.over = ReplayFailed, why, true
}

// page looks at the next events or dead letters.
func (w *replaying) page(ctx context.Context) error {
	if w.r.Do == ReplayDead {
		return w.deadPage(ctx)
	}
	if w.r.Seq < 0 {
		if done, err := w.enter(ctx); done || err != nil {
			return err
		}
	}
	p, err := w.Log.Read(ctx, w.r.Tenant, w.r.At, w.r.Seq, replayPage, w.retention)
	if err != nil {
		return err
	}
	past := false
	var chosen []tenants.Event
	for _, e := range p.Events {
		if past = !e.Time.Before(w.r.Until); past {
			break
		}
		w.r.Examined++
		if w.wants(e) {
			chosen = append(chosen, e)
		}
	}
	if err := w.give(ctx, chosen); err != nil {
		return err
	}
	w.r.Seq = p.Cursor(w.r.Seq)
	if past || w.r.Seq >= p.Tail {
		w.r.Seq = -1
		w.over = w.r.Channel != ""
	}
	return nil
}

// enter goes to the next channel, and there to the first event that was received since.
func (w *replaying) enter(ctx context.Context) (done bool, err error) {
	if w.r.Channel != "" {
		w.r.At = w.r.Channel
	} else {
		next, err := w.Log.Channels(ctx, w.r.Tenant, w.r.At, 1)
		if err != nil {
			return true, err
		}
		if len(next) == 0 {
			w.over = true
			return true, nil
		}
		w.r.At = next[0].Name
	}
	end, err := w.Log.Tail(ctx, w.r.Tenant, w.r.At)
	if err != nil {
		return true, err
	}
	first, err := w.Log.FirstSince(ctx, tenants.ChannelKey{Tenant: w.r.Tenant, Name: w.r.At}, 1, end, w.r.Since.Unix())
	w.r.Seq = max(first-1, 0)
	return false, err
}

// wants tells whether the event is asked for, and the endpoint would take it.
func (w *replaying) wants(e tenants.Event) bool {
	if e.Time.Before(w.r.Since) || !(endpoint.Endpoint{Types: w.r.Types}).WantsType(e.Type) {
		return false
	}
	matches, err := w.Endpoints.Matches(w.ep, e)
	return matches && err == nil
}

// give sends what was chosen.
func (w *replaying) give(ctx context.Context, events []tenants.Event) error {
	if w.r.Do == ReplayMissing {
		for _, e := range events {
			if err := w.giveMissing(ctx, e); err != nil {
				return err
			}
		}
		return nil
	}
	w.r.Sent += int64(len(events))
	if w.dry || len(events) == 0 {
		return nil
	}
	ms := make([]tenants.Message, len(events))
	for i, e := range events {
		ms[i] = sendErrand(w.ep, e, w.r.ID, time.Now().UTC()).ready(w.ep)
	}
	return w.Ready.Send(ctx, ms...)
}

// giveMissing sends an event as the delivery that it should have been, if the endpoint has not got it and nobody sees to that.
func (w *replaying) giveMissing(ctx context.Context, e tenants.Event) error {
	x, was, err := w.find(ctx, w.ep.Tenant, w.ep.ID, deliveryID(w.ep.ID, e, ""))
	if err != nil {
		return err
	}
	switch {
	case was.IsAbsent():
		if w.ep.Ordered || e.Time.Before(w.ep.Created) { // its pump goes on from the cursor; or it never was its to get
			return nil
		}
		w.r.Sent++
		if w.dry {
			return nil
		}
		m := sendErrand(w.ep, e, "", time.Now().UTC())
		m.Hop = time.Now().UnixNano()
		return w.Ready.Send(ctx, m.ready(w.ep))
	default:
		return w.giveEnded(ctx, w.ep, x, was)
	}
}

// giveEnded takes up a delivery again that is dead or canceled; or has been taken up by this page before, and perhaps not sent.
func (w *replaying) giveEnded(ctx context.Context, ep endpoint.Endpoint, x Delivery, was tenants.Condition) error {
	if x.State == Delivered || x.State == Pending && (x.Base == 0 || x.Base != x.Attempts) {
		return nil
	}
	w.r.Sent++
	if w.dry {
		return nil
	}
	_, err := w.revive(ctx, ep, x, was, false)
	if err != nil && tenants.KindOf(err) == tenants.Conflict { // somebody else has
		return nil
	}
	return err
}

// deadPage looks at the next dead letters.
func (w *replaying) deadPage(ctx context.Context) error {
	before := deliveriesAt(w.r.Until)
	if w.r.At != "" {
		before = w.r.At
	}
	rows, err := w.Table.Query(ctx, tenants.Range{
		Tenant: w.r.Tenant, Kind: rowDead, After: deliveriesAt(w.r.Since), Before: before, Backward: true, Limit: replayPage,
	})
	if err != nil {
		return err
	}
	endpoints := make(map[string]endpoint.Endpoint)
	for _, row := range rows {
		w.r.Examined++
		w.r.At = row.Sort
		at, err := record.Decode[deadRecord](row)
		if err != nil {
			return err
		}
		if w.r.Endpoint != "" && at.Endpoint != w.r.Endpoint {
			continue
		}
		ep, known := endpoints[at.Endpoint]
		if !known {
			if ep, err = w.Endpoints.Get(ctx, w.r.Tenant, at.Endpoint); err != nil && !tenants.IsNotFound(err) {
				return err
			}
			endpoints[at.Endpoint] = ep
		}
		if ep.State != endpoint.Enabled {
			continue
		}
		x, was, err := w.find(ctx, w.r.Tenant, at.Endpoint, row.Sort)
		if err != nil {
			return err
		}
		if was.IsAbsent() || w.r.Channel != "" && x.Channel != w.r.Channel || !(endpoint.Endpoint{Types: w.r.Types}).WantsType(x.Type) {
			continue
		}
		if err := w.giveEnded(ctx, ep, x, was); err != nil {
			return err
		}
	}
	w.over = len(rows) < replayPage
	return nil
}
