package intake_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/projection"
	"github.com/hookcast/hookcast/tenants/source"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

func TestEventsPerMonthAreHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(12 * time.Hour) // of the first of January
		r := rig.NewIntakeRig(t)
		u := r.Followed(t)
		_, token := r.Source(t, source.Spec{Provider: "github", Channel: "orders", Secret: rig.IntakeSecret})
		r.Limit(t, map[string]int64{"events_per_month": 10, "events_per_second": 0})
		if n := r.UntilRefused(t, 100); n != 10 {
			t.Errorf("%d of 10 were taken at once", n)
		}
		r.AppendAll(t)
		for range 5 { // counted by the feed, and still
			time.Sleep(7 * time.Second)
			if n := r.UntilRefused(t, 100); n != 0 {
				t.Errorf("%d more were taken", n)
			}
		}
		rig.WantUsage(t, u, r.Tenant, time.Now(), 10)

		_, err := r.Receiver.Receive(t.Context(), rig.Github(t, token, "d-1", "push", `{}`))
		rig.WantError(t, err, tenants.TooMany, "event_month_limit")

		r.Limit(t, map[string]int64{"events_per_month": 12})
		in := rig.Github(t, token, "d-2", "push", `{"n":2}`)
		if _, err := r.Receiver.Receive(t.Context(), in); err != nil {
			t.Fatalf("with a higher limit: %v", err)
		}
		if n := r.UntilRefused(t, 100); n != 1 {
			t.Errorf("%d of 1 were taken", n)
		}
		r.AppendAll(t)
		if a, err := r.Receiver.Receive(t.Context(), in); err != nil || !a.Duplicate {
			t.Errorf("what is there already, sent again: %+v, %v", a, err)
		}

		r.Limit(t, map[string]int64{"events_per_month": 0})
		for range 50 {
			if err := r.Publish(tenants.NewID("x_")); err != nil {
				t.Fatalf("without a limit: %v", err)
			}
		}
		r.AppendAll(t)
		time.Sleep(31 * 24 * time.Hour)
		r.Limit(t, map[string]int64{"events_per_month": 10})
		if n := r.UntilRefused(t, 100); n != 10 {
			t.Errorf("%d of 10 were taken in the next month", n)
		}
		r.AppendAll(t)
		time.Sleep(10 * time.Second)
		months, err := u.Months(t.Context(), r.Tenant, time.Now(), 3)
		if err != nil || len(months) != 3 || months[0] != (projection.MonthUsage{Month: "2000-02", Events: 10}) || months[1] != (projection.MonthUsage{Month: "2000-01", Events: 62}) || months[2].Events != 0 {
			t.Errorf("%+v, %v", months, err)
		}
	})
}

// Several processes each count what they take; what the others took they see at their next reading.
func TestEventsPerMonthAreHeldOverProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.NewIntakeRig(t)
		r.Followed(t)
		r.Limit(t, map[string]int64{"events_per_month": 1000, "events_per_second": 20})
		others := []*intake.Publisher{r.Publisher}
		for range 3 {
			others = append(others, intake.NewPublisher(intake.NewIntake(r.Accounts, r.Log, r.Queue)))
		}
		taken, refusals := 0, 0
		for range 120 { // seconds
			for _, p := range others {
				for range 10 {
					_, err := p.Publish(t.Context(), r.Tenant, intake.Publication{Channel: "orders", Type: "t"})
					switch tenants.CodeOf(err) {
					case "":
						taken++
					case "event_month_limit":
						refusals++
					}
				}
			}
			r.AppendAll(t)
			time.Sleep(time.Second)
		}
		if taken < 1000 || taken > 1000+4*10*7 || refusals == 0 { // seven seconds of all four
			t.Errorf("%d were taken and %d refused", taken, refusals)
		}
	})
}

// Who cannot count lets in: the log, not the count, is what must not be lost.
func TestCountsThatCannotBeReadRefuseNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.NewIntakeRig(t)
		r.Limit(t, map[string]int64{"events_per_month": 3, "events_per_second": 0})
		r.Table.Fail(tenantstest.Lost, func(c tenantstest.Call) bool { return c.Method == "Query" })
		if err := r.Publish("a"); err != nil {
			t.Error(err)
		}
	})
}

// What was not enqueued was not taken.
func TestAFailedSendIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.NewIntakeRig(t)
		queue := &broken{Queue: r.Queue, down: true}
		p := intake.NewPublisher(intake.NewIntake(r.Accounts, r.Log, queue))
		r.Limit(t, map[string]int64{"events_per_month": 2, "events_per_second": 0})
		send := func() error {
			_, err := p.Publish(t.Context(), r.Tenant, intake.Publication{Channel: "orders", Type: "t"})
			return err
		}
		for range 5 {
			rig.WantError(t, send(), tenants.Unavailable, "down")
		}
		queue.down = false
		for range 2 {
			if err := send(); err != nil {
				t.Error(err)
			}
		}
		rig.WantError(t, send(), tenants.TooMany, "event_month_limit")
	})
}

// broken is a queue that takes nothing while it is down.
type broken struct {
	tenants.Queue
	down bool
}

func (b *broken) Send(ctx context.Context, ms ...tenants.Message) error {
	if b.down {
		return tenants.Errorf(tenants.Unavailable, "down", "down")
	}
	return b.Queue.Send(ctx, ms...)
}

// A change that cannot be counted does not hold up the others, and one that came to nothing for a while is made up for.
func TestUsageRunGoesOnBehindWhatItCannotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.NewIntakeRig(t)
		u := r.Followed(t)
		junk := tenants.Put(tenants.Key{Tenant: r.Tenant, Kind: "log/junk", Sort: "x"}, []byte("junk"), time.Time{}, tenants.Anything())
		if err := r.Table.Write(t.Context(), junk); err != nil {
			t.Fatal(err)
		}
		if err := r.Publish("a"); err != nil {
			t.Fatal(err)
		}
		r.AppendAll(t)
		time.Sleep(time.Minute)
		rig.WantUsage(t, u, r.Tenant, time.Now(), 1)
	})
}
