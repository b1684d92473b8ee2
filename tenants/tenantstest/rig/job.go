package rig

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/job"
)

// JobRig is jobs and the way from them to the log.
type JobRig struct {
	*IntakeRig
	Jobs *job.Jobs
}

func NewJobRig(t *testing.T) *JobRig {
	r := &JobRig{IntakeRig: NewIntakeRig(t)}
	r.Jobs = r.Process()
	return r
}

// Process is another process of the deployment.
func (r *JobRig) Process() *job.Jobs {
	return job.NewJobs(r.Table, intake.NewIntake(r.Accounts, eventlog.New(r.Table), r.Queue), r.Deploy)
}

// Shown is what a job's event says.
type Shown struct {
	Type     string `json:"-"`
	Seq      int64  `json:"-"`
	End      bool   `json:"-"`
	State    string
	Percent  float64
	Step     string
	Message  string
	Revision int64
	Lines    []string
	Result   json.RawMessage
	Error    *struct{ Code, Message string }
}

// Events takes what is queued into the log, and returns what the job's channel has.
func (r *JobRig) Events(t *testing.T, job job.Job) (all []Shown) {
	t.Helper()
	ctx := context.Background()
	for {
		rs, err := r.Queue.Receive(ctx, 10, 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(rs) == 0 {
			break
		}
		if failed := r.Append(ctx, rs); len(failed) > 0 {
			t.Fatalf("not appended: %v", failed)
		}
		if err := r.Queue.Done(ctx, rs...); err != nil {
			t.Fatal(err)
		}
	}
	return ShownIn(t, r.Log, job)
}

func ShownIn(t *testing.T, log *eventlog.Log, job job.Job) (all []Shown) {
	t.Helper()
	page, err := log.Read(context.Background(), job.Tenant, job.Channel, 0, 1000, tenants.Retention{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range page.Events {
		s := Shown{Type: e.Type, Seq: e.Seq, End: e.End}
		if err := json.Unmarshal(e.Data, &s); err != nil {
			t.Fatalf("%s: %v", e.Data, err)
		}
		if !e.Snapshot {
			t.Errorf("%s is no snapshot", e.Data)
		}
		all = append(all, s)
	}
	return all
}

// Watch has a process look after jobs until the test is over; it is for a bubble.
func (r *JobRig) Watch(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Jobs.Watch(ctx, func(err error) { t.Error(err) })
	}()
	time.Sleep(time.Millisecond)
	return func() {
		cancel()
		<-done
	}
}

func Percent(p float64) job.Report { return job.Report{Percent: &p} }

func (r *JobRig) Report(t *testing.T, job job.Job, report job.Report) job.Job {
	t.Helper()
	return Ok(r.Jobs.Report(context.Background(), job.Tenant, job.ID, report))(t)
}
