package relay

import (
	"context"
	"errors"
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
	lease *proxy.Lease
	saved time.Time
}

const (
	saveEvery = 2 * time.Second  // between writes of the position in the upstream
	callTime  = 5 * time.Second  // of one call about a run
	appending = 15 * time.Second // for an event to be in its channel
)

// lead runs the upstream until it ends or nobody wants it any more. It returns true if the node has lost the run and
// listeners are left.
func (sh *share) lead(before proxy.RunState, lease *proxy.Lease) (again bool) {
	l := &leader{share: sh, lease: lease}
	if !sh.call.Proxy.Reconnect { // each response is separate
		l.lease.LastID, l.lease.Epoch, l.lease.Count = "", tenants.NewID(""), 0
	}
	ctx, cancel := context.WithCancel(sh.r.ctx)
	defer cancel()
	if before.Open && !sh.call.Proxy.Reconnect { // it was requested once, and its node is gone
		l.over(upstream.End{Reason: upstream.Cut, Err: tenants.Errorf(tenants.BadGateway, "upstream_cut",
			"the node that read the upstream is gone; open the proxy again")})
		return false
	}
	stream, err := l.open(ctx)
	if err != nil {
		sh.refuse(err)
		sh.settle(0, err)
		if before.Open { // listeners are left from before
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
	watched := make(chan struct{})
	sh.r.spawn(func() {
		defer close(watched)
		l.watch(watching, cancel)
	})
	end := stream.Run(ctx, l)
	stop()
	<-watched // watch reads the lease, which giving the run back changes
	l.lease.LastID = stream.LastID()
	switch {
	case end.Reason == upstream.Refused && errors.Is(end.Err, proxy.ErrRunLost),
		end.Reason == upstream.Canceled && !l.held():
		return true
	case end.Reason == upstream.Canceled: // nobody wants it here, or the node stops: another node may continue
		sh.retire(true)
		l.end(false)
	default:
		l.over(end)
	}
	return false
}

// open opens the upstream at the position of its last reader.
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

// announce publishes that the upstream is open, or a gap if it was read before and cannot continue from there. It
// returns the number of that event.
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

// Events implements upstream.Sink.
func (l *leader) Events(ctx context.Context, events []eventstream.Event, lastID string) error {
	if !l.held() {
		return proxy.ErrRunLost
	}
	made := make([]tenants.Event, len(events))
	for i, e := range events {
		made[i] = event(l.call, l.key.tenant, l.call.Channel, e)
		// A node that takes over counts from the saved position, so that a repeated event gets the same id.
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

// Gap implements upstream.Sink.
func (l *leader) Gap(ctx context.Context) error {
	l.r.counts.gap()
	_, err := l.say(ctx, gapEvent(l.key.tenant, l.call.Channel))
	return err
}

// say publishes an event of Hookcast's own in the channel and returns its id.
func (l *leader) say(ctx context.Context, e tenants.Event) (id string, err error) {
	e.ID, e.Time, e.Source = tenants.NewID(tenants.PrefixEvent), time.Now().UTC(), l.call.Proxy.ID
	return e.ID, l.r.o.Feed.Say(ctx, e)
}

// held reports whether the run certainly belongs to this node: a run is held under the node's lease.
func (l *leader) held() bool { return l.r.o.Node.Held() && l.r.o.Node.ID() == l.lease.Node }

// save writes the position of the run. A failed write is made up by the next one.
func (l *leader) save(ctx context.Context) error {
	if !l.held() {
		return proxy.ErrRunLost
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	err := l.r.o.Runs.Save(ctx, l.lease)
	if err == nil {
		l.saved = time.Now()
	} else if !errors.Is(err, proxy.ErrRunLost) {
		l.r.o.Logger.Warn("relay: cannot save the position in an upstream", "error", err)
		err = nil
	}
	return err
}

const lookEvery = 10 * time.Second

// watch closes the upstream once nobody wants it. Between checks it waits for a signal.
func (l *leader) watch(ctx context.Context, cancel func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.look:
		case <-time.After(lookEvery):
			if !l.held() {
				cancel() // the node that has it continues
				return
			}
		}
		if l.seated() {
			continue
		}
		call, done := context.WithTimeout(ctx, callTime)
		wanted, err := l.r.o.Runs.Wanted(call, l.key.tenant, l.key.run, l.id)
		done()
		if (err != nil || !wanted) && l.retire(false) { // other nodes that want it again will see that nobody runs it
			cancel()
			return
		}
	}
}

// over publishes that the upstream has ended, and gives the run back for good.
func (l *leader) over(end upstream.End) {
	l.retire(true)
	l.r.logEnd(end, l.key.tenant, l.call.Proxy.ID)
	ctx, cancel := context.WithTimeout(context.Background(), callTime)
	defer cancel()
	if _, err := l.say(ctx, endEvent(l.key.tenant, l.call.Channel, end)); err != nil {
		l.r.o.Logger.Warn("relay: cannot publish the end of an upstream", "error", err)
	}
	l.lease.LastID = "" // after its end an upstream starts anew
	l.end(true)
}

const endTries = 5

// end gives the run back. If that fails, the run stays with this node until the node's lease ends.
func (l *leader) end(over bool) {
	ctx, cancel := context.WithTimeout(context.Background(), callTime)
	defer cancel()
	var err error
	for try := range endTries {
		if try > 0 {
			time.Sleep(100 * time.Millisecond << try)
		}
		if err = l.r.o.Runs.End(ctx, l.lease, over); err == nil || errors.Is(err, proxy.ErrRunLost) {
			return
		}
	}
	l.r.o.Logger.Warn("relay: cannot give back a run", "error", err)
}
