package proxy

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/worker"
)

// Feed puts the events of an upstream into a channel's log, by the intake that all events take.
type Feed struct {
	intake *intake.Intake
	log    *eventlog.Log
}

// NewFeed returns a Feed into in. Its events end up in l.
func NewFeed(in *intake.Intake, l *eventlog.Log) *Feed { return &Feed{in, l} }

// Types of events that Hookcast adds to those of an upstream.
const (
	// TypeUpstream says which state the upstream is in: {"state":"open"}, {"state":"ended"} or
	// {"state":"failed","code":"upstream_status"}.
	TypeUpstream = "hookcast.upstream"
	// TypeUpstreamGap says that events may be missing here, because the upstream could not resume:
	// {"channel":"prices","upstream":true}. A page loads its state anew, as after a gap in a channel.
	TypeUpstreamGap = "hookcast.gap"
)

// EventType returns the type of an event that another server names so. Characters that no type has become "_". Names
// reserved by EventSource or Hookcast get the prefix "upstream.". An event without a name is a "message".
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

// Forward enqueues events of one channel, in order. If they exceed the tenant's rate it waits, which slows the upstream
// down; for other limits it fails as intake.Publisher.Publish does. A failure that may pass is tried again: the ids of
// the events prevent duplicates.
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

// Say enqueues an event of Hookcast's own, which no limit applies to.
func (f *Feed) Say(ctx context.Context, e tenants.Event) error {
	terms, err := f.intake.Terms(ctx, e.Tenant)
	if err != nil {
		return err
	}
	return f.intake.Send(ctx, terms, e)
}

// Appended waits until the event with that id is in its channel, and returns its number. Unavailable: ctx ended first.
func (f *Feed) Appended(ctx context.Context, tenant tenants.TenantID, id string) (int64, error) {
	for {
		if seq, ok := f.log.Find(ctx, tenant, id); ok {
			return seq, nil
		}
		if !worker.Wait(ctx, 10*time.Millisecond) {
			return 0, tenants.Errorf(tenants.Unavailable, "append_slow", "the event is not in its channel yet")
		}
	}
}
