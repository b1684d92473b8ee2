package tenants_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// jobRig is jobs and the way from them to the log.
type jobRig struct {
	*intakeRig
	jobs *tenants.Jobs
}

func newJobRig(t *testing.T) *jobRig {
	r := &jobRig{intakeRig: newIntakeRig(t)}
	r.jobs = r.process()
	return r
}

// process is another process of the deployment.
func (r *jobRig) process() *tenants.Jobs {
	return tenants.NewJobs(r.table, tenants.NewIntake(r.accounts, tenants.NewLog(r.table), r.queue), r.deploy)
}

// shown is what a job's event says.
type shown struct {
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

// events takes what is queued into the log, and returns what the job's channel has.
func (r *jobRig) events(t *testing.T, job tenants.Job) (all []shown) {
	t.Helper()
	ctx := context.Background()
	for {
		rs, err := r.queue.Receive(ctx, 10, 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(rs) == 0 {
			break
		}
		if failed := r.Append(ctx, rs); len(failed) > 0 {
			t.Fatalf("not appended: %v", failed)
		}
		if err := r.queue.Done(ctx, rs...); err != nil {
			t.Fatal(err)
		}
	}
	return shownIn(t, r.log, job)
}

func shownIn(t *testing.T, log *tenants.Log, job tenants.Job) (all []shown) {
	t.Helper()
	page, err := log.Read(context.Background(), job.Tenant, job.Channel, 0, 1000, tenants.Retention{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range page.Events {
		s := shown{Type: e.Type, Seq: e.Seq, End: e.End}
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

// watch has a process look after jobs until the test is over; it is for a bubble.
func (r *jobRig) watch(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.jobs.Watch(ctx, func(err error) { t.Error(err) })
	}()
	time.Sleep(time.Millisecond)
	return func() {
		cancel()
		<-done
	}
}

func percent(p float64) tenants.JobReport { return tenants.JobReport{Percent: &p} }

func (r *jobRig) report(t *testing.T, job tenants.Job, report tenants.JobReport) tenants.Job {
	t.Helper()
	return ok(r.jobs.Report(context.Background(), job.Tenant, job.ID, report))(t)
}
