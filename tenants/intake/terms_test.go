package intake_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/source"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

// blindLimits cannot read any limit while it is blind.
type blindLimits struct {
	tenants.LimitLookup
	blind bool
}

func (b *blindLimits) Limits(ctx context.Context, t tenants.TenantID) (tenants.Limits, error) {
	if b.blind {
		return tenants.Limits{}, &tenants.Error{Kind: tenants.Unavailable, Code: "down", Err: errors.New("down")}
	}
	return b.LimitLookup.Limits(ctx, t)
}

// partlyDown is a table that cannot read one kind of rows.
type partlyDown struct {
	tenants.Table
	rows tenants.Kind
}

func (p *partlyDown) Get(ctx context.Context, k tenants.Key) (tenants.Row, error) {
	if k.Kind == p.rows {
		return downTable{}.Get(ctx, k)
	}
	return p.Table.Get(ctx, k)
}

func (p *partlyDown) Query(ctx context.Context, r tenants.Range) ([]tenants.Row, error) {
	if r.Kind == p.rows {
		return downTable{}.Query(ctx, r)
	}
	return p.Table.Query(ctx, r)
}

func unsigned(token, body string) intake.Inbound {
	return intake.Inbound{Token: token, Method: "POST", Body: []byte(body), Received: time.Now()}
}

func TestReceiveFailsOpenForSignedAndClosedForUnsignedSources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		r := rig.NewIntakeRig(t)
		_, signedToken := r.Source(t, fixedSpec)
		_, openToken := r.Source(t, source.Spec{Provider: "none", Channel: "all"})
		limits := &blindLimits{LimitLookup: r.Accounts, blind: true}
		in := intake.NewIntake(limits, r.Log, r.Queue)
		receiver, publisher := intake.NewReceiver(r.Sources, source.NewVerifier(nil), in), intake.NewPublisher(in)

		if _, err := receiver.Receive(ctx, rig.Github(t, signedToken, "1", "push", "{}")); err != nil {
			t.Errorf("signed: got %v, want it accepted", err)
		}
		if e := r.Queued(t)[0]; e.Keep != -1 {
			t.Errorf("got an event kept for %v, want -1: for good, since the tenant's retention is unknown", e.Keep)
		}
		_, err := receiver.Receive(ctx, unsigned(openToken, "{}"))
		rig.WantError(t, err, tenants.Unavailable, "limit_unreadable")
		_, err = publisher.Publish(ctx, r.Tenant, intake.Publication{Channel: "all", Type: "x"})
		if tenants.KindOf(err) != tenants.Unavailable || err == nil {
			t.Errorf("published: got %v, want an error of kind Unavailable", err)
		}

		// Limits that were read once apply from then on.
		limits.blind = false
		r.Limit(t, map[string]int64{"event_bytes": 10, "events_per_second": 1})
		if _, err := receiver.Receive(ctx, rig.Github(t, signedToken, "2", "push", "{}")); err != nil {
			t.Fatal(err)
		}
		limits.blind = true
		_, err = receiver.Receive(ctx, rig.Github(t, signedToken, "3", "push", "more than ten bytes"))
		rig.WantError(t, err, tenants.TooLarge, "event_too_large")
		_, err = receiver.Receive(ctx, rig.Github(t, signedToken, "4", "push", "{}"))
		rig.WantError(t, err, tenants.TooMany, "event_rate")
		time.Sleep(time.Second)
		if _, err = receiver.Receive(ctx, rig.Github(t, signedToken, "4", "push", "{}")); err != nil {
			t.Error(err)
		}
		// a limit of 1 is warned of at once
		notice := func(e tenants.Event) bool { return tenants.ReservedChannel(e.Channel) }
		events := slices.DeleteFunc(r.Queued(t), notice)
		if len(events) != 2 || events[1].Keep != 72*time.Hour {
			t.Errorf("got %+v, want two events, the second kept for 72h", events)
		}
	})
}

// The counts of the month and of channels are limits, too.
func TestReceiveWhereCountsCannotBeRead(t *testing.T) {
	for _, rows := range []tenants.Kind{"usage/2000-01", "usage/1999-12", "list/channels"} {
		synctest.Test(t, func(t *testing.T) { // begins in January 2000
			ctx := t.Context()
			r := rig.NewIntakeRig(t)
			_, signedToken := r.Source(t, fixedSpec)
			_, openToken := r.Source(t, source.Spec{Provider: "none", Channel: "all"})
			table := &partlyDown{Table: r.Table, rows: rows}
			in := intake.NewIntake(r.Accounts, eventlog.New(table), r.Queue)
			receiver := intake.NewReceiver(r.Sources, source.NewVerifier(nil), in)
			if _, err := receiver.Receive(ctx, rig.Github(t, signedToken, "1", "push", "{}")); err != nil {
				t.Errorf("%s, signed: got %v, want it accepted", rows, err)
			}
			_, err := receiver.Receive(ctx, unsigned(openToken, "{}"))
			rig.WantError(t, err, tenants.Unavailable, "limit_unreadable")
			table.rows = ""
			time.Sleep(2 * time.Second)
			if _, err := receiver.Receive(ctx, unsigned(openToken, "{}")); err != nil {
				t.Errorf("%s, once it can be read: got %v, want it accepted", rows, err)
			}
		})
	}
}

func TestReceiveHoldsEachSourcesRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		r := rig.NewIntakeRig(t)
		_, busy := r.Source(t, fixedSpec)
		_, quiet := r.Source(t, fixedSpec)
		_, open := r.Source(t, source.Spec{Provider: "none", Channel: "all"})
		r.Limit(t, map[string]int64{
			"events_per_second": 100, "events_per_second_per_source": 5, "events_per_second_unsigned": 2,
		})
		n := 0
		post := func(token string) error {
			n++
			in := unsigned(token, fmt.Sprint(n))
			if token != open {
				in = rig.Github(t, token, fmt.Sprint(n), "push", "{}")
			}
			_, err := r.Receiver.Receive(ctx, in)
			return err
		}
		for token, most := range map[string]int{busy: 5, open: 2} {
			for range most {
				if err := post(token); err != nil {
					t.Fatal(err)
				}
			}
			rig.WantError(t, post(token), tenants.TooMany, "source_rate")
		}
		if err := post(quiet); err != nil {
			t.Errorf("another source than the busy one: got %v, want it accepted", err)
		}
		time.Sleep(time.Second)
		if err := post(open); err != nil {
			t.Error(err)
		}
	})
}

// In each plan the rate of unsigned events is lower than that of all events.
func TestUnsignedSourcesHaveTheLowerQuota(t *testing.T) {
	for _, name := range []string{"free", "pro"} {
		plan, _ := tenants.LookupPlan(name)
		if l := plan.Limits; l.UnsignedPerSecond == 0 || l.UnsignedPerSecond >= l.EventsPerSecond {
			t.Errorf("%s: got %d unsigned of %d events per second, want fewer, and not 0", name, l.UnsignedPerSecond,
				l.EventsPerSecond)
		}
	}
}
