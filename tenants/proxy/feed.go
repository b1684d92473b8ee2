package proxy

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/worker"
)

// Feed puts what an upstream brings into a channel's log, by the way that all events take.
type Feed struct {
	intake *intake.Intake
	log    *eventlog.Log
}

// NewFeed returns a Feed into in, whose events end up in l.
func NewFeed(in *intake.Intake, l *eventlog.Log) *Feed { return &Feed{in, l} }

// Events that Hookcast puts among an upstream's.
const (
	// TypeUpstream says how the upstream is: {"state":"open"}, {"state":"ended"}, {"state":"failed","code":"upstream_status"}.
	TypeUpstream = "hookcast.upstream"
	// TypeUpstreamGap says that events may be missing here, since the upstream cannot go on where it was: {"channel":"prices","upstream":true}.
	// A page does what it does about a gap of Hookcast's own: it loads its state anew.
	TypeUpstreamGap = "hookcast.gap"
)

// EventType makes a type of what another server calls its event. What may stand in no type becomes "_", and names that are
// EventSource's or Hookcast's own get "upstream." in front; "message" is what an event without a name is.
func EventType(name string) string {
	switch {
	case name == "" || name == "message":
		return "message"
	case tenants.ReservedType(name):
		name = "upstream." + name
	}
	return tenants.TypeOf(name)
}

const forwardTries = 8

// Forward enqueues events of one channel, in order. Over the tenant's rate it waits, which holds the upstream back; over other limits it
// fails as Publisher.Publish does. What fails for now is tried again: the events' ids keep one that was taken from being taken twice.
func (f *Feed) Forward(ctx context.Context, events ...tenants.Event) error {
	if len(events) == 0 {
		return nil
	}
	ch := tenants.ChannelKey{Tenant: events[0].Tenant, Name: events[0].Channel}
	terms, err := f.intake.Terms(ctx, ch.Tenant)
	if err != nil {
		return err
	}
	for _, e := range events {
		if err := terms.CheckSize(len(e.Data)); err != nil {
			return err
		}
		if err := f.intake.AwaitTurn(ctx, ch.Tenant, terms); err != nil {
			return err
		}
		if err := f.intake.Admit(ctx, terms, ch); err != nil {
			return err
		}
	}
	for try := 1; ; try++ {
		err := f.intake.Send(ctx, terms, events...)
		if err == nil || try == forwardTries || tenants.KindOf(err) != tenants.Unavailable {
			return err
		}
		if !worker.Wait(ctx, worker.RetryDelay(try)) {
			return ctx.Err()
		}
	}
}

// Say enqueues an event of Hookcast's own, which no limit keeps out.
func (f *Feed) Say(ctx context.Context, e tenants.Event) error {
	terms, err := f.intake.Terms(ctx, e.Tenant)
	if err != nil {
		return err
	}
	return f.intake.Send(ctx, terms, e)
}

// Appended returns the number of the event of that id once it is in its channel, waiting until ctx ends.
func (f *Feed) Appended(ctx context.Context, tenant tenants.TenantID, id string) (int64, error) {
	for {
		if seq, ok := f.log.Find(ctx, tenant, id); ok {
			return seq, nil
		}
		if !worker.Wait(ctx, 10*time.Millisecond) {
			return 0, tenants.Errorf(tenants.Unavailable, "append_slow", "an event is not in its channel yet")
		}
	}
}
