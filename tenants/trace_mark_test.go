package tenants_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// waysIn are all the ways by which an event comes into a channel of the rig's tenant. Each puts at least one into the queue.
func (r *intakeRig) waysIn(t *testing.T) map[string]func() error {
	ctx := t.Context()
	intake := tenants.NewIntake(r.accounts, r.log, r.queue)
	jobs, feed, notices := tenants.NewJobs(r.office.table, intake, r.deploy), tenants.NewProxyFeed(intake, r.log), tenants.NewNotices(r.queue)
	_, token := r.source(t, tenants.SourceSpec{Provider: "github", Secret: intakeSecret, Channel: "hooks"})
	upstream := func() tenants.Event {
		return tenants.Event{ID: tenants.NewID(tenants.PrefixEvent), Tenant: r.tenant, Channel: "prices", Type: "tick", Data: []byte("1"), Time: time.Now().UTC()}
	}
	builds := 0
	job := func(own bool) func() error {
		return func() error {
			channel := "" // one of its own
			if !own {
				builds++
				channel = fmt.Sprint("builds.", builds)
			}
			job, err := jobs.Create(ctx, r.tenant, tenants.JobSpec{Timeout: time.Minute, Channel: channel})
			if err == nil {
				_, err = jobs.Report(ctx, r.tenant, job.ID, tenants.JobReport{Complete: true})
			}
			return err
		}
	}
	return map[string]func() error{
		"publish": func() error {
			_, err := r.publisher.Publish(ctx, r.tenant, tenants.Publication{Channel: "orders", Type: "t", Data: []byte("1")})
			return err
		},
		"webhook": func() error {
			_, err := r.receiver.Receive(ctx, github(t, token, tenants.NewID(tenants.PrefixEvent), "push", `{"n":1}`))
			return err
		},
		"replay": func() error {
			_, err := r.publisher.Replay(ctx, upstream(), "copies")
			return err
		},
		"upstream":                  func() error { return feed.Forward(ctx, upstream(), upstream()) },
		"said of an upstream":       func() error { return feed.Say(ctx, upstream()) },
		"job in its own channel":    job(true),
		"job in a tenant's channel": job(false),
		"notice": func() error {
			limits, err := r.accounts.Limits(ctx, r.tenant)
			notices.Scarce(ctx, r.tenant, limits, "channels", 5, tenants.NewID(tenants.PrefixEvent))
			return err
		},
	}
}

func TestEveryWayInMarksWhatIsToBeTraced(t *testing.T) {
	r := newIntakeRig(t)
	for name, come := range r.waysIn(t) {
		for _, on := range []bool{false, true, false} {
			sample := 0.0
			if on {
				sample = 1
			}
			if _, err := r.accounts.SetTracing(t.Context(), r.tenant, sample, time.Minute); err != nil {
				t.Fatal(err)
			}
			r.accounts.Forget(r.tenant)
			if err := come(); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			events := r.queued(t)
			if len(events) == 0 {
				t.Fatalf("%s puts nothing into the queue", name)
			}
			for _, e := range events {
				switch mark := e.Trace; {
				case mark == nil != !on:
					t.Errorf("%s: tracing is on: %v; marked: %v", name, on, mark != nil)
				case on && (mark.Enqueued.Before(e.Time) || mark.Verified.IsZero() != (name != "webhook") || mark.Verified.After(mark.Enqueued)):
					t.Errorf("%s: received %v, mark %+v", name, e.Time, mark)
				}
			}
		}
	}
}

// What a job leaves in a channel of its own is kept no longer than anything is, whether it is traced or not.
func TestAMarkChangesNotForHowLongAnEventIsKept(t *testing.T) {
	r := newIntakeRig(t)
	r.limit(t, map[string]int64{"retention_seconds": 90 * 24 * 3600})
	ways := r.waysIn(t)
	kept := func(name string) time.Duration {
		t.Helper()
		if err := ways[name](); err != nil {
			t.Fatal(err)
		}
		return r.queued(t)[0].Keep
	}
	for _, sample := range []float64{0, 1} {
		if _, err := r.accounts.SetTracing(t.Context(), r.tenant, sample, time.Minute); err != nil {
			t.Fatal(err)
		}
		r.accounts.Forget(r.tenant)
		if own, others := kept("job in its own channel"), kept("job in a tenant's channel"); own != 0 || others != 90*24*time.Hour {
			t.Errorf("sample %v: kept %v and %v", sample, own, others)
		}
	}
}

// Nobody turns it off here, and nothing that was read is dropped by hand.
func TestTracingEndsAfterAnHourWhoeverForgetsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newIntakeRig(t)
		if _, err := r.accounts.SetTracing(t.Context(), r.tenant, 1, tenants.TracingAtMost+time.Nanosecond); err == nil {
			t.Error("it can be on for more than an hour")
		}
		if _, err := r.accounts.SetTracing(t.Context(), r.tenant, 1, tenants.TracingAtMost); err != nil {
			t.Fatal(err)
		}
		r.accounts.Forget(r.tenant)
		for minute := range 62 {
			if _, err := r.publisher.Publish(t.Context(), r.tenant, tenants.Publication{Channel: "orders", Type: "t", Data: []byte("1")}); err != nil {
				t.Fatal(err)
			}
			if marked := r.queued(t)[0].Trace != nil; marked != (minute < 60) {
				t.Errorf("after %d minutes: marked %v", minute, marked)
			}
			time.Sleep(time.Minute)
		}
	})
}

// hearsay is a table whose writes are there before whoever writes hears of it.
type hearsay struct {
	tenants.Table
	late time.Duration
}

func (t hearsay) WriteEach(ctx context.Context, ops ...tenants.Op) (int, error) {
	n, err := t.Table.WriteEach(ctx, ops...)
	time.Sleep(t.late)
	return n, err
}

// A node that reads the log by itself may write an event before the appender knows that it is there: not before it began to put it there.
func TestAnAppendIsTracedFromItsBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newIntakeRig(t)
		if _, err := r.accounts.SetTracing(t.Context(), r.tenant, 1, time.Minute); err != nil {
			t.Fatal(err)
		}
		r.accounts.Forget(r.tenant)
		a, err := r.publisher.Publish(t.Context(), r.tenant, tenants.Publication{Channel: "orders", Type: "t", Data: []byte("1")})
		if err != nil {
			t.Fatal(err)
		}
		r.Appender = tenants.NewAppender(tenants.NewLog(hearsay{r.table, 3 * time.Second}), r.interest, r.inboxes, r.queue)
		r.Tracer = tenants.NewTracer(r.table, nil)
		began := time.Now()
		r.appendAll(t)
		r.Tracer.Flush(t.Context())
		hops, err := tenants.NewTraces(r.table).Hops(t.Context(), r.tenant, a.ID)
		if err != nil || len(hops) != 2 {
			t.Fatalf("%+v, %v", hops, err)
		}
		appended, fannedOut := hops[0], hops[1]
		if appended.Name != tenants.HopAppended || !appended.At.Equal(began) || appended.Took != 3*time.Second {
			t.Errorf("%+v, began %v", appended, began)
		}
		if fannedOut.Name != tenants.HopFannedOut || fannedOut.At.Before(appended.At.Add(appended.Took)) {
			t.Errorf("%+v behind %+v", fannedOut, appended)
		}
	})
}
