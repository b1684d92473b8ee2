package job

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/keyring"
	"github.com/hookcast/hookcast/tenants/record"
	"github.com/hookcast/hookcast/tenants/worker"
)

// Jobs keeps the jobs, and tells of them in their channels.
//
// A job is one row that is changed by compare-and-swap. What is to be told of it stands in the same row (jobOut), so that a report that was
// answered is told whatever fails behind it: by who took the report, or by the next one, or by a node that looks at each running
// job within a minute (Watch). A job's end comes about once, since it is a change of that row.
type Jobs struct {
	table   tenants.Table
	intake  *intake.Intake
	reports keyring.DerivedKey // the key that report tokens follow from

	runner Runner
	node   string // this process, as runs are claimed by; "": it runs none

	mu      sync.Mutex
	watched context.Context // while Watch runs: what is told later is told in its time
	later   sync.WaitGroup
	runs    int // under way
}

// NewJobs makes a Jobs that publishes through in.
func NewJobs(t tenants.Table, in *intake.Intake, d *keyring.Ring) *Jobs {
	return &Jobs{table: t, intake: in, reports: d.Reports()}
}

// UseRunner makes this process one that runs jobs, while Watch runs. Call it before that.
func (j *Jobs) UseRunner(r Runner) { j.runner, j.node = r, tenants.NewID(tenants.PrefixNode) }

const (
	rowJobs        tenants.Kind = "list/jobs"         // {tenant}, job id
	rowJobsRunning tenants.Kind = "list/jobs-running" // {tenant}, job id: one that has not ended
	rowJobChannel  tenants.Kind = "job-channel"       // {tenant}, channel: the job that has it, where the caller has named it
	rowJobsDue     tenants.Kind = "list/jobs-due"     // sys, when a job is to be looked at, in milliseconds, tenant and job

	jobTries = 40
	mindTime = 10 * time.Second // whoever undertakes to tell of a job, and could not, is not waited for longer
)

func jobKey(tenant tenants.TenantID, id string) tenants.Key {
	return tenants.Key{Tenant: tenant, Kind: rowJobs, Sort: id}
}

func jobRunningKey(tenant tenants.TenantID, id string) tenants.Key {
	return tenants.Key{Tenant: tenant, Kind: rowJobsRunning, Sort: id}
}

func jobNotFound() error {
	return tenants.Errorf(tenants.NotFound, "job_not_found", "there is no such job")
}

// Create makes a job and tells of it. Refused values: Unprocessable. The tenant's limit of running jobs: TooMany job_limit; of events: as Publish. A
// channel that another job has: Conflict job_channel_taken.
func (j *Jobs) Create(ctx context.Context, tenant tenants.TenantID, spec Spec) (Job, error) {
	r, err := j.create(ctx, tenant, spec, nil)
	return r.Job, err
}

func (j *Jobs) create(ctx context.Context, tenant tenants.TenantID, spec Spec, run *jobRun) (jobRecord, error) {
	if spec.Timeout == 0 {
		spec.Timeout = DefaultTimeout
	}
	if err := spec.check(); err != nil {
		return jobRecord{}, err
	}
	if err := j.room(ctx, tenant, spec.Channel); err != nil {
		return jobRecord{}, err
	}
	now := time.Now().UTC()
	r := jobRecord{Job: Job{
		ID: tenants.NewID(tenants.PrefixJob), Tenant: tenant, Name: spec.Name, Channel: spec.Channel, State: Running, Created: now, Reported: now, Timeout: spec.Timeout, Revision: 1,
	}}
	due := now.Add(mindTime)
	if r.Run = run; run != nil {
		due = now
	}
	ops := []tenants.Op{
		tenants.Put(jobRunningKey(tenant, r.ID), record.Empty, time.Time{}, tenants.Absent()),
		tenants.Put(dueKey(due, tenant, r.ID), record.Empty, time.Time{}, tenants.Anything()),
	}
	if r.Channel == "" {
		r.Channel = tenants.JobChannels + r.ID
	} else {
		ops = append(ops, tenants.Put(tenants.Key{Tenant: tenant, Kind: rowJobChannel, Sort: r.Channel}, record.Empty, now.Add(MaxJobLife+Kept), tenants.Absent()))
	}
	r.mind(now)
	err := j.table.Write(ctx, append(ops, r.put(tenants.Absent()))...)
	if refusal, ok := errors.AsType[*tenants.RefusedError](err); ok && refusal.Op == len(ops)-1 && spec.Channel != "" {
		return jobRecord{}, tenants.Errorf(tenants.Conflict, "job_channel_taken", "another job has this channel; a job that names none gets one of its own")
	}
	if err != nil {
		return jobRecord{}, err
	}
	return r, j.settle(ctx, r)
}

// room holds a new job against the tenant's limits.
func (j *Jobs) room(ctx context.Context, tenant tenants.TenantID, channel string) error {
	terms, err := j.intake.Terms(ctx, tenant)
	if err != nil {
		return err
	}
	if err := j.intake.Take(tenant, terms); err != nil {
		return err
	}
	if limit := terms.Limits.Jobs; limit > 0 {
		n, err := record.Count(ctx, j.table, tenant, rowJobsRunning, limit)
		if err != nil {
			return err
		}
		if n >= limit {
			return tenants.Errorf(tenants.TooMany, "job_limit", "the account has the %d jobs running that it may have", limit)
		}
	}
	return j.intake.Admit(ctx, terms, tenants.ChannelKey{Tenant: tenant, Name: channel})
}

// Get returns one job: NotFound job_not_found, as behind Kept after its end.
func (j *Jobs) Get(ctx context.Context, tenant tenants.TenantID, id string) (Job, error) {
	r, _, err := j.read(ctx, tenant, id)
	return r.Job, err
}

// List returns up to limit (1 to 100) jobs behind the id after, oldest first, and where to go on: "" at the end.
func (j *Jobs) List(ctx context.Context, tenant tenants.TenantID, after string, limit int) (jobs []Job, next string, err error) {
	limit = record.PageLimit(limit)
	rows, err := j.table.Query(ctx, tenants.Range{Tenant: tenant, Kind: rowJobs, After: after, Limit: limit})
	if err != nil {
		return nil, "", err
	}
	for _, row := range rows {
		r, err := decodeJob(row)
		if err != nil {
			return nil, "", err
		}
		jobs = append(jobs, r.Job)
	}
	if len(rows) == limit {
		next = rows[limit-1].Sort
	}
	return jobs, next, nil
}

// Report takes what a worker says. Values that cannot be shown: Unprocessable, TooLarge. A job that has ended otherwise: Conflict job_ended; an end that comes
// again is none. Too many reports: TooMany event_rate, or job_log_rate where lines come faster than they are told. Unavailable: the report
// may have been taken; one that comes again changes nothing, but that lines of it may stand there twice.
func (j *Jobs) Report(ctx context.Context, tenant tenants.TenantID, id string, report Report) (Job, error) {
	if err := report.check(); err != nil {
		return Job{}, err
	}
	terms, err := j.intake.Terms(ctx, tenant)
	if err != nil {
		return Job{}, err
	}
	if err := j.intake.Take(tenant, terms); err != nil {
		return Job{}, err
	}
	return j.set(ctx, tenant, id, func(r *jobRecord, now time.Time) error {
		if r.State != Running {
			if r.repeats(report) {
				return nil
			}
			return tenants.Errorf(tenants.Conflict, "job_ended", "the job has ended: %s", r.State)
		}
		return r.take(report, now, terms)
	})
}

// take is apply with the report's lines, under the terms.
func (r *jobRecord) take(report Report, now time.Time, terms intake.Terms) error {
	if len(report.Lines) > 0 {
		lines := append(r.Lines[:len(r.Lines):len(r.Lines)], report.Lines...)
		if len(r.Lines) > 0 && linesSize(lines) > maxJobLog {
			err := tenants.Errorf(tenants.TooMany, "job_log_rate", "lines come faster than they are told")
			err.RetryAfter = time.Second
			return err
		}
		r.Lines = lines
	}
	r.apply(report, now)
	return terms.CheckSize(len(r.data(nil)))
}

// Cancel ends a job that is running as failed, with the code canceled; one that has ended is left as it is.
func (j *Jobs) Cancel(ctx context.Context, tenant tenants.TenantID, id string) (Job, error) {
	return j.set(ctx, tenant, id, func(r *jobRecord, now time.Time) error {
		if r.State == Running {
			r.apply(Report{Error: &Error{Code: ErrorCanceled, Message: "the job was canceled"}}, now)
		}
		return nil
	})
}

// set changes a job, and tells of it.
func (j *Jobs) set(ctx context.Context, tenant tenants.TenantID, id string, do func(*jobRecord, time.Time) error) (Job, error) {
	var mine bool
	r, err := j.change(ctx, tenant, id, func(r *jobRecord, now time.Time) error {
		if err := do(r, now); err != nil {
			return err
		}
		mine = r.mind(now)
		return nil
	})
	if err == nil && mine {
		err = j.settle(ctx, r)
	}
	return r.Job, err
}

// change has do change the job as it is, again if it was changed meanwhile, and returns it as it then is. What ends it takes it off the running ones.
func (j *Jobs) change(ctx context.Context, tenant tenants.TenantID, id string, do func(*jobRecord, time.Time) error) (jobRecord, error) {
	for try := range jobTries {
		r, version, err := j.read(ctx, tenant, id)
		if err != nil {
			return r, err
		}
		before, was := string(encodeJob(r)), r.State
		if err := do(&r, time.Now().UTC()); err != nil {
			return r, err
		}
		if string(encodeJob(r)) == before {
			return r, nil
		}
		ops := []tenants.Op{r.put(tenants.At(version))}
		if r.State != was {
			ops = append(ops, tenants.Delete(jobRunningKey(tenant, id), tenants.Anything()))
		}
		if err = j.table.Write(ctx, ops...); err == nil || !tenants.IsRefused(err) {
			return r, err
		}
		if !worker.Wait(ctx, rand.N(time.Millisecond<<min(try, 6))) {
			break
		}
	}
	return jobRecord{}, tenants.Errorf(tenants.Unavailable, "job_contended", "the job is reported on from too many sides at once")
}

func (j *Jobs) read(ctx context.Context, tenant tenants.TenantID, id string) (r jobRecord, version int64, err error) {
	if !tenants.ValidID(tenants.PrefixJob, id) {
		return r, 0, jobNotFound()
	}
	row, err := j.table.Get(ctx, jobKey(tenant, id))
	if tenants.IsNotFound(err) {
		return r, 0, jobNotFound()
	}
	if err != nil {
		return r, 0, err
	}
	r, err = decodeJob(row)
	return r, row.Version, err
}

// put is the op that stores the job. One that has ended is kept for Kept.
func (r *jobRecord) put(c tenants.Condition) tenants.Op {
	var expires time.Time
	if r.State != Running {
		expires = r.Ended.Add(Kept)
	}
	return tenants.Put(jobKey(r.Tenant, r.ID), encodeJob(r), expires, c)
}

func decodeJob(row tenants.Row) (jobRecord, error) {
	r, err := record.Decode[jobRecord](row)
	if string(r.Result) == "null" { // as there is no result
		r.Result = nil
	}
	if r.Run != nil && string(r.Run.Data) == "null" {
		r.Run.Data = nil
	}
	if r.Out != nil && string(r.Out.Data) == "null" {
		r.Out.Data = nil
	}
	return r, err
}

// JobToken is what a report URL ends in: whoever has it can report on that one job. Nothing is kept of it; it follows from the job and the deployment's secret.
func (j *Jobs) JobToken(job Job) string {
	body := strings.TrimPrefix(string(job.Tenant), tenants.PrefixTenant) + strings.TrimPrefix(job.ID, tenants.PrefixJob)
	return jobTokenPrefix + body + j.jobTag(body)
}

const (
	jobTokenPrefix = "rpt_"
	jobTagChars    = 32 // 160 bits
)

func (j *Jobs) jobTag(body string) string {
	return tenants.Crockford.EncodeToString(j.reports.MAC(body))[:jobTagChars]
}

// OpenToken tells which job a token is for: NotFound job_not_found where we did not make it, without I/O.
func (j *Jobs) OpenToken(token string) (tenant tenants.TenantID, id string, err error) {
	text, ok := strings.CutPrefix(token, jobTokenPrefix)
	if !ok || len(text) != 2*tenants.IDChars+jobTagChars || !keyring.SameText(text[2*tenants.IDChars:], j.jobTag(text[:2*tenants.IDChars])) {
		return "", "", jobNotFound()
	}
	return tenants.TenantID(tenants.PrefixTenant + text[:tenants.IDChars]), tenants.PrefixJob + text[tenants.IDChars:2*tenants.IDChars], nil
}
