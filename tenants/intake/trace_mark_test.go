package intake_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
	"github.com/hookcast/hookcast/tenants/trace"
)

func TestEveryWayInMarksWhatIsToBeTraced(t *testing.T) {
	r := rig.NewIntakeRig(t)
	for name, come := range r.WaysIn(t) {
		for _, on := range []bool{false, true, false} {
			sample := 0.0
			if on {
				sample = 1
			}
			if _, err := r.Accounts.SetTracing(t.Context(), r.Tenant, sample, time.Minute); err != nil {
				t.Fatal(err)
			}
			r.Accounts.Forget(r.Tenant)
			if err := come(); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			events := r.Queued(t)
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
	r := rig.NewIntakeRig(t)
	r.Limit(t, map[string]int64{"retention_seconds": 90 * 24 * 3600})
	ways := r.WaysIn(t)
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
		if own, others := kept("job in its own channel"), kept("job in a tenant's channel"); own != 0 || others != 90*24*time.Hour {
			t.Errorf("sample %v: kept %v and %v", sample, own, others)
		}
	}
}

// Nobody turns it off here, and nothing that was read is dropped by hand.
func TestTracingEndsAfterAnHourWhoeverForgetsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.NewIntakeRig(t)
		if _, err := r.Accounts.SetTracing(t.Context(), r.Tenant, 1, tenants.MaxTracing+time.Nanosecond); err == nil {
			t.Error("it can be on for more than an hour")
		}
		if _, err := r.Accounts.SetTracing(t.Context(), r.Tenant, 1, tenants.MaxTracing); err != nil {
			t.Fatal(err)
		}
		r.Accounts.Forget(r.Tenant)
		for minute := range 62 {
			if _, err := r.Publisher.Publish(t.Context(), r.Tenant, intake.Publication{Channel: "orders", Type: "t", Data: []byte("1")}); err != nil {
				t.Fatal(err)
			}
			if marked := r.Queued(t)[0].Trace != nil; marked != (minute < 60) {
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
		r := rig.NewIntakeRig(t)
		if _, err := r.Accounts.SetTracing(t.Context(), r.Tenant, 1, time.Minute); err != nil {
			t.Fatal(err)
		}
		r.Accounts.Forget(r.Tenant)
		a, err := r.Publisher.Publish(t.Context(), r.Tenant, intake.Publication{Channel: "orders", Type: "t", Data: []byte("1")})
		if err != nil {
			t.Fatal(err)
		}
		r.Appender = intake.NewAppender(eventlog.New(hearsay{r.Table, 3 * time.Second}), r.Interest, r.Inboxes, r.Queue)
		r.Tracer = trace.NewTracer(r.Table, nil)
		began := time.Now()
		r.AppendAll(t)
		r.Tracer.Flush(t.Context())
		hops, err := trace.NewReader(r.Table).Steps(t.Context(), r.Tenant, a.ID)
		if err != nil || len(hops) != 2 {
			t.Fatalf("%+v, %v", hops, err)
		}
		appended, fannedOut := hops[0], hops[1]
		if appended.Name != trace.StepAppended || !appended.At.Equal(began) || appended.Took != 3*time.Second {
			t.Errorf("%+v, began %v", appended, began)
		}
		if fannedOut.Name != trace.StepFannedOut || fannedOut.At.Before(appended.At.Add(appended.Took)) {
			t.Errorf("%+v behind %+v", fannedOut, appended)
		}
	})
}
