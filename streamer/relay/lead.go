package relay

import (
	"context"
	"strconv"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventstream"
	"github.com/hookcast/hookcast/tenants/proxy"
	"github.com/hookcast/hookcast/tenants/upstream"
)

// leader runs a shared upstream into its channel.
type leader struct {
	*share
	lease *proxy.RunLease
	saved time.Time
}

const (
	saveEvery = 2 * time.Second  // how far the upstream was read
	callTime  = 5 * time.Second  // of one call about a run
	appending = 15 * time.Second // for an event to be in its channel
)

// lead runs the upstream until it ends or nobody wants it any more. again: the node has lost the run and listeners are left.
func (sh *share) lead(before proxy.RunState, lease *proxy.RunLease) (again bool) {
	l := &leader{share: sh, lease: lease}
	if !sh.call.Proxy.Reconnect { // each answer is one of its own
		l.lease.LastID, l.lease.Epoch, l.lease.Count = "", tenants.NewID(""), 0
	}
	ctx, cancel := context.WithCancel(sh.r.ctx)
	defer cancel()
	if before.Open && !sh.call.Proxy.Reconnect { // it was asked for once, and its node is gone
		l.over(upstream.End{Reason: upstream.Cut, Err: tenants.Errorf(tenants.BadGateway, "upstream_cut", "The node that read the upstream is gone.")})
		return false
	}
	stream, err := l.open(ctx)
	if err != nil {
		sh.refuse(err)
		sh.settle(0, err)
		if before.Open { // listeners are left of before
			l.over(upstream.End{Reason: upstream.Failed, Err: err})
		} else {
			l.end(false)
		}
		return false
	}
	defer sh.r.leave(sh.key.tenant)
	opened, err := l.announce(ctx, before)
	if err != nil {
		stream.Close()
		sh.settle(0, err)
		l.end(false)
		return false
	}
	sh.settle(opened, nil)
	watching, stop := context.WithCancel(ctx)
	defer stop()
	sh.r.spawn(func() { l.watch(watching, cancel) })
	end := stream.Run(ctx, l)
	stop()
	l.lease.LastID = stream.LastID()
	switch {
	case end.Reason == upstream.Refused && end.Err == proxy.ErrRunLost, end.Reason == upstream.Canceled && !l.held():
		return true
	case end.Reason == upstream.Canceled: // nobody wants it here, or the node goes: another may go on
		sh.retire(true)
		l.end(false)
	default:
		l.over(end)
	}
	return false
}

// open opens the upstream where the last who read it was.
func (l *leader) open(ctx context.Context) (*upstream.Stream, error) {
	if err := l.r.enter(l.key.tenant); err != nil {
		return nil, err
	}
	o := l.r.options(l.call, l.most)
	o.LastID = l.lease.LastID
	stream, err := upstream.Open(ctx, o)
	if err != nil {
		l.r.leave(l.key.tenant)
	}
	return stream, err
}

// announce says in the channel that the upstream is open, and that something may be missing where it was read before and cannot go on from
// there. It returns the number of that event: the channel has not ended any more.
func (l *leader) announce(ctx context.Context, before proxy.RunState) (int64, error) {
	e := openEvent(l.key.tenant, l.call.Channel)
	if l.call.Proxy.Reconnect && before.Opened > 0 && !before.Over && l.lease.LastID == "" {
		e = gapEvent(l.key.tenant, l.call.Channel)
		l.r.counts.gap()
	}
	id, err := l.say(ctx, e)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, appending)
	defer cancel()
	opened, err := l.r.o.Feed.Appended(ctx, l.key.tenant, id)
	if err != nil {
		return 0, err
	}
	l.lease.Opened, l.lease.Open = opened, true
	return opened, l.save(ctx)
}

// Events fulfils upstream.Sink.
func (l *leader) Events(ctx context.Context, events []eventstream.Event, lastID string) error {
	if !l.held() {
		return proxy.ErrRunLost
	}
	made := make([]tenants.Event, len(events))
	for i, e := range events {
		made[i] = event(l.call, l.key.tenant, l.call.Channel, e)
		// Whoever takes over from what was saved counts from there, so that an event that comes again is known.
		n := strconv.FormatInt(l.lease.Count+int64(i)+1, 10)
		made[i].ID = tenants.DerivedID(tenants.PrefixEvent, string(l.key.tenant), "proxy", l.key.run, l.lease.Epoch, n)
		made[i].Time = time.Now().UTC()
	}
	if err := l.r.o.Feed.Forward(ctx, made...); err != nil {
		return err
	}
	l.r.counts.forwarded(len(events))
	l.lease.Count += int64(len(events))
	l.lease.LastID = lastID
	if time.Since(l.saved) < saveEvery {
		return nil
	}
	return l.save(ctx)
}

// Gap fulfils upstream.Sink.
func (l *leader) Gap(ctx context.Context) error {
	l.r.counts.gap()
	_, err := l.say(ctx, gapEvent(l.key.tenant, l.call.Channel))
	return err
}

// say puts an event of Hookcast's own into the channel, and returns its id.
func (l *leader) say(ctx context.Context, e tenants.Event) (id string, err error) {
	e.ID, e.Time, e.Source = tenants.NewID(tenants.PrefixEvent), time.Now().UTC(), l.call.Proxy.ID
	return e.ID, l.r.o.Feed.Say(ctx, e)
}

// held tells whether the run is this node's for sure: its lease is that of the node.
func (l *leader) held() bool { return l.r.o.Node.Held() && l.r.o.Node.ID() == l.lease.Node }

// save writes how far the run is. What fails for now is written with the next.
func (l *leader) save(ctx context.Context) error {
	if !l.held() {
		return proxy.ErrRunLost
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	err := l.r.o.Runs.Save(ctx, l.lease)
	if err == nil {
		l.saved = time.Now()
	} else if err != proxy.ErrRunLost {
		l.r.o.Logger.Warn("how far an upstream was read could not be noted", "error", err)
		err = nil
	}
	return err
}

const lookEvery = 10 * time.Second

// watch closes the upstream once nobody wants it. Between looks it waits to be told.
func (l *leader) watch(ctx context.Context, cancel func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.look:
		case <-time.After(lookEvery):
			if !l.held() {
				cancel() // whoever has it goes on
				return
			}
		}
		if l.seated() {
			continue
		}
		call, done := context.WithTimeout(ctx, callTime)
		wanted, err := l.r.o.Runs.Wanted(call, l.key.tenant, l.key.run, l.id)
		done()
		if (err != nil || !wanted) && l.retire(false) { // others who want it after all will see that nobody runs it
			cancel()
			return
		}
	}
}

// over tells the channel that the upstream has ended, and gives the run back for good.
func (l *leader) over(end upstream.End) {
	l.retire(true)
	l.r.troubled(end, l.key.tenant, l.call.Proxy.ID)
	ctx, cancel := context.WithTimeout(context.Background(), callTime)
	defer cancel()
	if _, err := l.say(ctx, endEvent(l.key.tenant, l.call.Channel, end)); err != nil {
		l.r.o.Logger.Warn("the end of an upstream could not be told", "error", err)
	}
	l.lease.LastID = "" // what was ended begins anew
	l.end(true)
}

const endTries = 5

// end gives the run back. Where it cannot be given back it is this node's until that ends.
func (l *leader) end(over bool) {
	ctx, cancel := context.WithTimeout(context.Background(), callTime)
	defer cancel()
	var err error
	for try := range endTries {
		if try > 0 {
			time.Sleep(100 * time.Millisecond << try)
		}
		if err = l.r.o.Runs.End(ctx, l.lease, over); err == nil || err == proxy.ErrRunLost {
			return
		}
	}
	l.r.o.Logger.Warn("a run could not be given back", "error", err)
}
