package intake_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/job"
	"github.com/hookcast/hookcast/tenants/proxy"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
	"github.com/hookcast/hookcast/tenants/trace"
)

// order is a small event to publish.
var order = intake.Publication{Channel: "orders", Type: "t", Data: []byte("1")}

// waysIn returns, by name, everything that sends an event to a channel of the rig's tenant. Each enqueues at least one.
func waysIn(t *testing.T, r *rig.IntakeRig) map[string]func() error {
	ctx := t.Context()
	in := intake.NewIntake(r.Accounts, r.Log, r.Queue)
	jobs, feed := job.NewJobs(r.Table, in, r.Deploy), proxy.NewFeed(in, r.Log)
	notices := intake.NewNotices(r.Queue)
	_, token := r.Source(t, fixedSpec)
	upstream := func() tenants.Event {
		return tenants.Event{
			ID: tenants.NewID(tenants.PrefixEvent), Tenant: r.Tenant, Channel: "prices", Type: "tick",
			Data: []byte("1"), Time: time.Now().UTC(),
		}
	}
	builds := 0
	report := func(own bool) func() error {
		return func() error {
			channel := "" // one of its own
			if !own {
				builds++
				channel = fmt.Sprint("builds.", builds)
			}
			j, err := jobs.Create(ctx, r.Tenant, job.Spec{Timeout: time.Minute, Channel: channel})
			if err == nil {
				_, err = jobs.Report(ctx, r.Tenant, j.ID, job.Report{Complete: true})
			}
			return err
		}
	}
	return map[string]func() error{
		"publish": func() error {
			_, err := r.Publisher.Publish(ctx, r.Tenant, order)
			return err
		},
		"webhook": func() error {
			_, err := r.Receiver.Receive(ctx, rig.Github(t, token, tenants.NewID(tenants.PrefixEvent), "push",
				`{"n":1}`))
			return err
		},
		"replay": func() error {
			_, err := r.Publisher.Replay(ctx, upstream(), "copies")
			return err
		},
		"upstream":                  func() error { return feed.Forward(ctx, upstream(), upstream()) },
		"said of an upstream":       func() error { return feed.Say(ctx, upstream()) },
		"job in its own channel":    report(true),
		"job in a tenant's channel": report(false),
		"notice": func() error {
			limits, err := r.Accounts.Limits(ctx, r.Tenant)
			notices.Scarce(ctx, r.Tenant, limits, "channels", 5, tenants.NewID(tenants.PrefixEvent))
			return err
		},
	}
}

func TestEveryWayInMarksWhatIsToBeTraced(t *testing.T) {
	r := rig.NewIntakeRig(t)
	for name, send := range waysIn(t, r) {
		for _, on := range []bool{false, true, false} {
			sample := 0.0
			if on {
				sample = 1
			}
			if _, err := r.Accounts.SetTracing(t.Context(), r.Tenant, sample, time.Minute); err != nil {
				t.Fatal(err)
			}
			r.Accounts.Forget(r.Tenant)
			if err := send(); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			events := r.Queued(t)
			if len(events) == 0 {
				t.Fatalf("%s: got no event in the queue, want one", name)
			}
			for _, e := range events {
				switch mark := e.Trace; {
				case mark == nil != !on:
					t.Errorf("%s: tracing is on: %v; marked: %v", name, on, mark != nil)
				case on && (mark.Enqueued.Before(e.Time) || mark.Verified.After(mark.Enqueued)):
					t.Errorf("%s: got mark %+v of an event of %v, want times in order", name, mark, e.Time)
				case on && mark.Verified.IsZero() != (name != "webhook"):
					t.Errorf("%s: got mark %+v, want a time of verification for webhooks alone", name, mark)
				}
			}
		}
	}
}

// An event in a job's own channel is kept for the shortest time there is, whether it is traced or not.
func TestAMarkChangesNotForHowLongAnEventIsKept(t *testing.T) {
	r := rig.NewIntakeRig(t)
	r.Limit(t, map[string]int64{"retention_seconds": 90 * 24 * 3600})
	ways := waysIn(t, r)
	kept := func(name string) time.Duration {
		t.Helper()
		if err := ways[name](); err != nil {
			t.Fatal(err)
		}
		return r.Queued(t)[0].Keep
	}
	for _, sample := range []float64{0, 1} {
		if _, err := r.Accounts.SetTracing(t.Context(), r.Tenant, sample, time.Minute); err != nil {
			t.Fatal(err)
		}
		r.Accounts.Forget(r.Tenant)
		own, others := kept("job in its own channel"), kept("job in a tenant's channel")
		if own != 0 || others != 90*24*time.Hour {
			t.Errorf("sample %v: got events kept for %v and %v, want 0 and 90 days", sample, own, others)
		}
	}
}

// Tracing ends by itself: the test neither turns it off nor drops what is cached.
func TestTracingEndsAfterAnHourWhoeverForgetsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.NewIntakeRig(t)
		if _, err := r.Accounts.SetTracing(t.Context(), r.Tenant,
			1, tenants.MaxTracing+time.Nanosecond); err == nil {
			t.Error("tracing for more than an hour: got no error, want one")
		}
		if _, err := r.Accounts.SetTracing(t.Context(), r.Tenant, 1, tenants.MaxTracing); err != nil {
			t.Fatal(err)
		}
		r.Accounts.Forget(r.Tenant)
		for minute := range 62 {
			if _, err := r.Publisher.Publish(t.Context(), r.Tenant, order); err != nil {
				t.Fatal(err)
			}
			if marked := r.Queued(t)[0].Trace != nil; marked != (minute < 60) {
				t.Errorf("after %d minutes: got marked %v, want %v", minute, marked, !marked)
			}
			time.Sleep(time.Minute)
		}
	})
}

// hearsay is a table whose writes are stored before the writer is told.
type hearsay struct {
	tenants.Table
	late time.Duration
}

func (t hearsay) WriteEach(ctx context.Context, ops ...tenants.Op) (int, error) {
	n, err := t.Table.WriteEach(ctx, ops...)
	time.Sleep(t.late)
	return n, err
}

// A node that reads the log may send an event before the appender knows that it is stored, but not before the appender
// began to store it: so the step begins there.
func TestAnAppendIsTracedFromItsBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.NewIntakeRig(t)
		if _, err := r.Accounts.SetTracing(t.Context(), r.Tenant, 1, time.Minute); err != nil {
			t.Fatal(err)
		}
		r.Accounts.Forget(r.Tenant)
		a, err := r.Publisher.Publish(t.Context(), r.Tenant, order)
		if err != nil {
			t.Fatal(err)
		}
		r.Appender = intake.NewAppender(eventlog.New(hearsay{r.Table, 3 * time.Second}), r.Interest, r.Inboxes, r.Queue)
		r.Tracer = trace.NewTracer(r.Table, nil)
		began := time.Now()
		r.AppendAll(t)
		r.Tracer.Flush(t.Context())
		steps, err := trace.NewReader(r.Table).Steps(t.Context(), r.Tenant, a.ID)
		if err != nil || len(steps) != 2 {
			t.Fatalf("got the steps %+v (%v), want two", steps, err)
		}
		appended, fannedOut := steps[0], steps[1]
		if appended.Name != trace.StepAppended || !appended.At.Equal(began) || appended.Took != 3*time.Second {
			t.Errorf("got %+v, want a step that began at %v and took 3s", appended, began)
		}
		if fannedOut.Name != trace.StepFannedOut || fannedOut.At.Before(appended.At.Add(appended.Took)) {
			t.Errorf("got %+v after %+v, want the fan-out to begin after the append", fannedOut, appended)
		}
	})
}
