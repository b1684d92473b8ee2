package tenants_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// followed counts what the rig's channels take, as the change feed has it, until the test is over.
func (r *intakeRig) followed(t *testing.T) *tenants.MonthlyUsage {
	u := tenants.NewMonthlyUsage(r.table)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	feed := r.table.Feed()
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

func (r *intakeRig) publish(id string) error {
	_, err := r.publisher.Publish(context.Background(), r.tenant, tenants.Publication{Channel: "orders", Type: "t", Data: []byte(id), ID: id})
	return err
}

// untilRefused publishes until the month's limit refuses, and returns how many were taken.
func (r *intakeRig) untilRefused(t *testing.T, most int) (taken int) {
	t.Helper()
	for taken < most {
		err := r.publish(tenants.NewID("x_"))
		if err != nil {
			wantError(t, err, tenants.TooMany, "event_month_limit")
			if after := err.(*tenants.Error).RetryAfter; after < time.Minute || after > time.Hour {
				t.Errorf("try again after %v", after)
			}
			return taken
		}
		taken++
	}
	t.Fatalf("%d events were taken", taken)
	return 0
}

func TestEventsPerMonthAreHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(12 * time.Hour) // of the first of January
		r := newIntakeRig(t)
		u := r.followed(t)
		_, token := r.source(t, tenants.SourceSpec{Provider: "github", Channel: "orders", Secret: intakeSecret})
		r.limit(t, map[string]int64{"events_per_month": 10, "events_per_second": 0})
		if n := r.untilRefused(t, 100); n != 10 {
			t.Errorf("%d of 10 were taken at once", n)
		}
		r.appendAll(t)
		for range 5 { // counted by the feed, and still
			time.Sleep(7 * time.Second)
			if n := r.untilRefused(t, 100); n != 0 {
				t.Errorf("%d more were taken", n)
			}
		}
		wantUsage(t, u, r.tenant, time.Now(), 10)

		_, err := r.receiver.Receive(t.Context(), github(t, token, "d-1", "push", `{}`))
		wantError(t, err, tenants.TooMany, "event_month_limit")

		r.limit(t, map[string]int64{"events_per_month": 12})
		in := github(t, token, "d-2", "push", `{"n":2}`)
		if _, err := r.receiver.Receive(t.Context(), in); err != nil {
			t.Fatalf("with a higher limit: %v", err)
		}
		if n := r.untilRefused(t, 100); n != 1 {
			t.Errorf("%d of 1 were taken", n)
		}
		r.appendAll(t)
		if a, err := r.receiver.Receive(t.Context(), in); err != nil || !a.Duplicate {
			t.Errorf("what is there already, sent again: %+v, %v", a, err)
		}

		r.limit(t, map[string]int64{"events_per_month": 0})
		for range 50 {
			if err := r.publish(tenants.NewID("x_")); err != nil {
				t.Fatalf("without a limit: %v", err)
			}
		}
		r.appendAll(t)
		time.Sleep(31 * 24 * time.Hour)
		r.limit(t, map[string]int64{"events_per_month": 10})
		if n := r.untilRefused(t, 100); n != 10 {
			t.Errorf("%d of 10 were taken in the next month", n)
		}
		r.appendAll(t)
		time.Sleep(10 * time.Second)
		months, err := u.Months(t.Context(), r.tenant, time.Now(), 3)
		if err != nil || len(months) != 3 || months[0] != (tenants.MonthUsage{Month: "2000-02", Events: 10}) || months[1] != (tenants.MonthUsage{Month: "2000-01", Events: 62}) || months[2].Events != 0 {
			t.Errorf("%+v, %v", months, err)
		}
	})
}

// Several processes each count what they take; what the others took they see at their next reading.
func TestEventsPerMonthAreHeldOverProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newIntakeRig(t)
		r.followed(t)
		r.limit(t, map[string]int64{"events_per_month": 1000, "events_per_second": 20})
		others := []*tenants.Publisher{r.publisher}
		for range 3 {
			others = append(others, tenants.NewPublisher(tenants.NewIntake(r.accounts, r.log, r.queue)))
		}
		taken, refusals := 0, 0
		for range 120 { // seconds
			for _, p := range others {
				for range 10 {
					_, err := p.Publish(t.Context(), r.tenant, tenants.Publication{Channel: "orders", Type: "t"})
					switch tenants.CodeOf(err) {
					case "":
						taken++
					case "event_month_limit":
						refusals++
					}
				}
			}
			r.appendAll(t)
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
		r := newIntakeRig(t)
		r.limit(t, map[string]int64{"events_per_month": 3, "events_per_second": 0})
		r.table.Fail(tenantstest.Lost, func(c tenantstest.Call) bool { return c.Method == "Query" })
		if err := r.publish("a"); err != nil {
			t.Error(err)
		}
	})
}

// What was not enqueued was not taken.
func TestAFailedSendIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newIntakeRig(t)
		queue := &broken{Queue: r.queue, down: true}
		p := tenants.NewPublisher(tenants.NewIntake(r.accounts, r.log, queue))
		r.limit(t, map[string]int64{"events_per_month": 2, "events_per_second": 0})
		send := func() error {
			_, err := p.Publish(t.Context(), r.tenant, tenants.Publication{Channel: "orders", Type: "t"})
			return err
		}
		for range 5 {
			wantError(t, send(), tenants.Unavailable, "down")
		}
		queue.down = false
		for range 2 {
			if err := send(); err != nil {
				t.Error(err)
			}
		}
		wantError(t, send(), tenants.TooMany, "event_month_limit")
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
		r := newIntakeRig(t)
		u := r.followed(t)
		junk := tenants.Put(tenants.Key{Tenant: r.tenant, Kind: "log/junk", Sort: "x"}, []byte("junk"), time.Time{}, tenants.Anything())
		if err := r.table.Write(t.Context(), junk); err != nil {
			t.Fatal(err)
		}
		if err := r.publish("a"); err != nil {
			t.Fatal(err)
		}
		r.appendAll(t)
		time.Sleep(time.Minute)
		wantUsage(t, u, r.tenant, time.Now(), 1)
	})
}
