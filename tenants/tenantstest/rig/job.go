package rig

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/job"
)

// JobRig is an IntakeRig with jobs.
type JobRig struct {
	*IntakeRig
	Jobs *job.Jobs
}

// NewJobRig returns a JobRig. Its Jobs do no runs until UseRunner is called.
func NewJobRig(t *testing.T) *JobRig {
	r := &JobRig{IntakeRig: NewIntakeRig(t)}
	r.Jobs = r.Process()
	return r
}

// Process returns the Jobs of another process of the deployment.
func (r *JobRig) Process() *job.Jobs {
	return job.NewJobs(r.Table, intake.NewIntake(r.Accounts, eventlog.New(r.Table), r.Queue), r.Deploy)
}

// Shown is an event of a job: what subscribers of its channel see.
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

// Events appends what is queued to the log, and returns the events of the job's channel.
func (r *JobRig) Events(t *testing.T, job job.Job) (all []Shown) {
	t.Helper()
	r.AppendAll(t)
	return ShownIn(t, r.Log, job)
}

// ShownIn returns the events of the job's channel in log.
func ShownIn(t *testing.T, log *eventlog.Log, job job.Job) (all []Shown) {
	t.Helper()
	page, err := log.Read(context.Background(), job.Tenant, job.Channel, 0, 1000, tenants.Retention{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range page.Events {
		s := Shown{Type: e.Type, Seq: e.Seq, End: e.End}
		if err := json.Unmarshal(e.Data, &s); err != nil {
			t.Fatalf("the data of an event must be JSON: %v: %s", err, e.Data)
		}
		if !e.Snapshot {
			t.Errorf("the event of a job must be a snapshot: %s", e.Data)
		}
		all = append(all, s)
	}
	return all
}

// Watch runs Jobs.Watch until the test calls stop. It must be called in a testing/synctest bubble.
func (r *JobRig) Watch(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Jobs.Watch(ctx, func(err error) { t.Errorf("Watch: %v", err) })
	}()
	time.Sleep(time.Millisecond)
	return func() {
		cancel()
		<-done
	}
}

// Percent returns a report of that percentage.
func Percent(p float64) job.Report { return job.Report{Percent: &p} }

// Report reports on the job and fails the test if that fails.
func (r *JobRig) Report(t *testing.T, job job.Job, report job.Report) job.Job {
	t.Helper()
	return Ok(r.Jobs.Report(context.Background(), job.Tenant, job.ID, report))(t)
}

// CreateRun creates a job that the endpoint does.
func (r *JobRig) CreateRun(
	t *testing.T, endpoints *endpoint.Endpoints, e endpoint.Endpoint, timeout time.Duration,
) job.Job {
	t.Helper()
	return Ok(r.Jobs.CreateRun(context.Background(), endpoints, r.Tenant, job.RunSpec{
		Spec: job.Spec{Timeout: timeout}, Endpoint: e.ID, Data: json.RawMessage(`{"year": 2026}`),
	}))(t)
}
