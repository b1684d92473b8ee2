package intake_test

import (
	"context"
	"log/slog"
	"slices"
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

// followed counts the rig's events from its change feed until the test ends.
func followed(t *testing.T, r *rig.IntakeRig) *projection.MonthlyUsage {
	u := projection.NewMonthlyUsage(r.Table)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	feed := r.Table.Feed()
	go func() {
		defer close(done)
		u.Run(ctx, feed, slog.New(slog.DiscardHandler))
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
	return u
}

// publish publishes an event with the id to the channel orders.
func publish(r *rig.IntakeRig, id string) error {
	_, err := r.Publisher.Publish(context.Background(), r.Tenant,
		intake.Publication{Channel: "orders", Type: "t", Data: []byte(id), ID: id})
	return err
}

// untilRefused publishes until the month's limit refuses, and returns the number of events accepted.
func untilRefused(t *testing.T, r *rig.IntakeRig) (taken int) {
	t.Helper()
	const most = 100
	for ; taken < most; taken++ {
		err := publish(r, tenants.NewID("x_"))
		if err == nil {
			continue
		}
		rig.WantError(t, err, tenants.TooMany, "event_month_limit")
		if after := err.(*tenants.Error).RetryAfter; after < time.Minute || after > time.Hour {
			t.Errorf("got the advice to try again after %v, want 1 min to 1 h", after)
		}
		return taken
	}
	t.Fatalf("%d events were accepted, want a refusal", taken)
	return 0
}

func TestEventsPerMonthAreHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(12 * time.Hour) // of the first of January
		r := rig.NewIntakeRig(t)
		u := followed(t, r)
		_, token := r.Source(t, source.Spec{Provider: "github", Channel: "orders", Secret: rig.IntakeSecret})
		r.Limit(t, map[string]int64{"events_per_month": 10, "events_per_second": 0})
		if n := untilRefused(t, r); n != 10 {
			t.Errorf("%d events were accepted at once, want 10", n)
		}
		r.AppendAll(t)
		for range 5 { // now counted by the feed
			time.Sleep(7 * time.Second)
			if n := untilRefused(t, r); n != 0 {
				t.Errorf("%d more events were accepted, want none", n)
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
		if n := untilRefused(t, r); n != 1 {
			t.Errorf("%d more events were accepted, want 1", n)
		}
		r.AppendAll(t)
		if a, err := r.Receiver.Receive(t.Context(), in); err != nil || !a.Duplicate {
			t.Errorf("an event in the log, sent again: got %+v (%v), want a duplicate", a, err)
		}

		r.Limit(t, map[string]int64{"events_per_month": 0})
		for range 50 {
			if err := publish(r, tenants.NewID("x_")); err != nil {
				t.Fatalf("without a limit: %v", err)
			}
		}
		r.AppendAll(t)
		time.Sleep(31 * 24 * time.Hour)
		r.Limit(t, map[string]int64{"events_per_month": 10})
		if n := untilRefused(t, r); n != 10 {
			t.Errorf("%d events were accepted in the next month, want 10", n)
		}
		r.AppendAll(t)
		time.Sleep(10 * time.Second)
		months, err := u.Months(t.Context(), r.Tenant, time.Now(), 3)
		want := []projection.MonthUsage{{Month: "2000-02", Events: 10}, {Month: "2000-01", Events: 62},
			{Month: "1999-12"}}
		if err != nil || !slices.Equal(months, want) {
			t.Errorf("got %+v (%v), want %+v", months, err, want)
		}
	})
}

// Several processes each count the events that they accept, and see those of the others at their next reading.
func TestEventsPerMonthAreHeldOverProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.NewIntakeRig(t)
		followed(t, r)
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
			t.Errorf("%d events were accepted and %d refused, want 1000 to 1280 and some", taken, refusals)
		}
	})
}

// An event is accepted if it cannot be counted: events must not be lost, counts may.
func TestCountsThatCannotBeReadRefuseNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.NewIntakeRig(t)
		r.Limit(t, map[string]int64{"events_per_month": 3, "events_per_second": 0})
		r.Table.Fail(tenantstest.Lost, func(c tenantstest.Call) bool { return c.Method == "Query" })
		if err := publish(r, "a"); err != nil {
			t.Error(err)
		}
	})
}

// An event that was not enqueued is not counted.
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

// broken is a queue that accepts nothing while it is down.
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

// A change that cannot be counted does not hold up the others.
func TestUsageRunGoesOnBehindWhatItCannotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.NewIntakeRig(t)
		u := followed(t, r)
		junk := tenants.Put(tenants.Key{Tenant: r.Tenant, Kind: "log/junk", Sort: "x"}, []byte("junk"), time.Time{},
			tenants.Anything())
		if err := r.Table.Write(t.Context(), junk); err != nil {
			t.Fatal(err)
		}
		if err := publish(r, "a"); err != nil {
			t.Fatal(err)
		}
		r.AppendAll(t)
		time.Sleep(time.Minute)
		rig.WantUsage(t, u, r.Tenant, time.Now(), 1)
	})
}
