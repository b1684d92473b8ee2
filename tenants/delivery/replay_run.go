package delivery

import (
	"context"
	"slices"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/record"
)

// replay does a page of a replay and sends the message for the next one.
func (d *Deliverer) replay(ctx context.Context, m message) error {
	ctx, cancel := context.WithTimeout(ctx, AttemptTime)
	defer cancel()
	r, was, err := record.Find[Replay](ctx, d.Table, replayKey(m.Tenant, m.Delivery))
	if err != nil || was.IsAbsent() || r.State != ReplayRunning || r.Page != m.Attempt {
		return err
	}
	limits, err := d.Tenants.Limits(ctx, m.Tenant)
	switch {
	case tenants.IsNotFound(err):
		return nil
	case err != nil && tenants.KindOf(err) == tenants.Forbidden: // the tenant is suspended
		return d.wait(ctx, m.again(time.Now().Add(endpoint.RecheckEvery)))
	case err != nil:
		return err
	}
	run := &replayRun{Outbox: d.Outbox, r: r, retention: limits.Retention()}
	due := time.Now().Add(replayPause)
	if r.Endpoint != "" {
		run.ep, err = d.Endpoints.Get(ctx, m.Tenant, r.Endpoint)
		switch {
		case tenants.IsNotFound(err):
			run.fail("the endpoint is gone")
		case err != nil:
			return err
		case run.ep.State != endpoint.Enabled:
			run.fail("the endpoint is " + string(run.ep.State))
		default:
			h, _, err := d.healths().Find(ctx, m.Tenant, r.Endpoint)
			if err != nil {
				return err
			}
			if until := h.FullUntil(time.Now()); !until.IsZero() { // it has enough to do
				return d.wait(ctx, m.again(d.spread(until, replayPause)))
			}
		}
	}
	if !run.over {
		if err := run.page(ctx); err != nil {
			return err
		}
	}
	run.r.Page++
	if !run.over { // before the row, which makes this message late
		if err := d.wait(ctx, run.r.nextPage(due)); err != nil {
			return err
		}
	} else if run.r.State == ReplayRunning {
		run.r.State = ReplayDone
	}
	err = d.Table.Write(ctx, run.r.put(was))
	if tenants.IsRefused(err) {
		return nil // another worker has done the page
	}
	return err
}

// replayRun is a replay in progress.
type replayRun struct {
	*Outbox
	r         Replay
	ep        endpoint.Endpoint
	retention tenants.Retention
	dry       bool // only count
	over      bool
}

func (w *replayRun) fail(why string) {
	w.r.State, w.r.Reason, w.over = ReplayFailed, why, true
}

// page handles the next events or dead letters.
func (w *replayRun) page(ctx context.Context) error {
	if w.r.Do == ReplayDead {
		return w.deadPage(ctx)
	}
	if w.r.Seq < 0 {
		if err := w.enterChannel(ctx); err != nil || w.over {
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
	send := w.sendNew
	if w.r.Do == ReplayMissing {
		send = w.sendMissing
	}
	if err := send(ctx, chosen); err != nil {
		return err
	}
	w.r.Seq = p.Cursor(w.r.Seq)
	if past || w.r.Seq >= p.Tail {
		w.r.Seq = -1
		w.over = w.r.Channel != ""
	}
	return nil
}

// enterChannel goes to the next channel, and there to the first event received since w.r.Since.
func (w *replayRun) enterChannel(ctx context.Context) error {
	if w.r.Channel != "" {
		w.r.At = w.r.Channel
	} else {
		next, err := w.Log.Channels(ctx, w.r.Tenant, w.r.At, 1)
		if err != nil {
			return err
		}
		if len(next) == 0 {
			w.over = true
			return nil
		}
		w.r.At = next[0].Name
	}
	end, err := w.Log.Tail(ctx, w.r.Tenant, w.r.At)
	if err != nil {
		return err
	}
	key := tenants.ChannelKey{Tenant: w.r.Tenant, Name: w.r.At}
	first, err := w.Log.FirstSince(ctx, key, 1, end, w.r.Since.Unix())
	w.r.Seq = max(first-1, 0)
	return err
}

// wants reports whether the replay is for the event, and the endpoint accepts it.
func (w *replayRun) wants(e tenants.Event) bool {
	if e.Time.Before(w.r.Since) || !w.wantsType(e.Type) {
		return false
	}
	matches, err := w.Endpoints.Matches(w.ep, e)
	return matches && err == nil
}

func (w *replayRun) wantsType(typ string) bool {
	return endpoint.Endpoint{Types: w.r.Types}.WantsType(typ)
}

// sendNew sends events as new deliveries.
func (w *replayRun) sendNew(ctx context.Context, events []tenants.Event) error {
	w.r.Sent += int64(len(events))
	if w.dry {
		return nil
	}
	ms := make([]tenants.Message, len(events))
	for i, e := range events {
		ms[i] = sendMessage(w.ep, e, w.r.ID, time.Now()).ready(w.ep)
	}
	return sendAll(ctx, w.Ready, ms)
}

// sendMissing sends those events that have neither been delivered nor will be, under their original deliveries.
func (w *replayRun) sendMissing(ctx context.Context, events []tenants.Event) error {
	for _, e := range events {
		x, was, err := w.find(ctx, w.ep.Tenant, w.ep.ID, deliveryID(w.ep.ID, e, ""))
		switch {
		case err != nil:
		case !was.IsAbsent():
			err = w.sendEnded(ctx, w.ep, x, was)
		case w.ep.Ordered || e.Time.Before(w.ep.Created): // it will come to it; or it is older than the endpoint
		default:
			if w.r.Sent++; !w.dry {
				m := sendMessage(w.ep, e, "", time.Now())
				m.Hop = m.Began.UnixNano()
				err = w.Ready.Send(ctx, m.ready(w.ep))
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sendEnded revives a delivery that is dead or canceled, or that this page has revived before and may not have sent.
func (w *replayRun) sendEnded(ctx context.Context, ep endpoint.Endpoint, x Delivery, was tenants.Condition) error {
	if x.State == Delivered || x.State == Pending && (x.Base == 0 || x.Base != x.Attempts) {
		return nil
	}
	if w.r.Sent++; w.dry {
		return nil
	}
	_, err := w.revive(ctx, ep, x, was, false)
	if err != nil && tenants.KindOf(err) == tenants.Conflict { // another caller has revived it
		return nil
	}
	return err
}

// deadPage handles the next dead letters.
func (w *replayRun) deadPage(ctx context.Context) error {
	before := deliveriesAt(w.r.Until)
	if w.r.At != "" {
		before = w.r.At
	}
	rows, err := w.Table.Query(ctx, tenants.Range{
		Tenant: w.r.Tenant, Kind: rowDead, After: deliveriesAt(w.r.Since), Before: before, Backward: true,
		Limit: replayPage,
	})
	if err != nil {
		return err
	}
	all, err := w.Endpoints.All(ctx, w.r.Tenant)
	if err != nil {
		return err
	}
	for _, row := range rows {
		w.r.Examined++
		w.r.At = row.Sort
		at, err := record.Decode[deadRecord](row)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(ep endpoint.Endpoint) bool { return ep.ID == at.Endpoint })
		if i < 0 || all[i].State != endpoint.Enabled || w.r.Endpoint != "" && w.r.Endpoint != at.Endpoint {
			continue
		}
		x, was, err := w.find(ctx, w.r.Tenant, at.Endpoint, row.Sort)
		if err != nil {
			return err
		}
		if was.IsAbsent() || w.r.Channel != "" && x.Channel != w.r.Channel || !w.wantsType(x.Type) {
			continue
		}
		if err := w.sendEnded(ctx, all[i], x, was); err != nil {
			return err
		}
	}
	w.over = len(rows) < replayPage
	return nil
}
