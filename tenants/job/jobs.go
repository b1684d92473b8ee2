package job

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/keyring"
	"github.com/hookcast/hookcast/tenants/record"
)

// Jobs creates, changes and watches jobs, and publishes their events.
type Jobs struct {
	table   tenants.Table
	intake  *intake.Intake
	reports keyring.DerivedKey // of report tokens

	runner Runner
	node   string // the name of this process in claims of runs; "": it does none

	mu         sync.Mutex
	watching   context.Context // of Watch; nil: it was not called
	background sync.WaitGroup  // goroutines of Watch
	runs       int             // under way
}

// NewJobs returns a Jobs that publishes through in.
func NewJobs(t tenants.Table, in *intake.Intake, d *keyring.Ring) *Jobs {
	return &Jobs{table: t, intake: in, reports: d.Reports()}
}

// UseRunner makes Watch do runs, too. It must be called before Watch.
func (j *Jobs) UseRunner(r Runner) { j.runner, j.node = r, tenants.NewID(tenants.PrefixNode) }

const (
	rowJobs    tenants.Kind = "list/jobs"         // {tenant}, job id
	rowRunning tenants.Kind = "list/jobs-running" // {tenant}, id of a job that has not ended
	rowChannel tenants.Kind = "job-channel"       // {tenant}, channel of a job that the caller has named
	rowDue     tenants.Kind = "list/jobs-due"     // sys, time of the next check in milliseconds, tenant and job id

	claimTime = 10 * time.Second // after which another process may publish the events of a job
)

func rowKey(tenant tenants.TenantID, id string) tenants.Key {
	return tenants.Key{Tenant: tenant, Kind: rowJobs, Sort: id}
}

func runningKey(tenant tenants.TenantID, id string) tenants.Key {
	return tenants.Key{Tenant: tenant, Kind: rowRunning, Sort: id}
}

func notFound() error {
	return tenants.Errorf(tenants.NotFound, "job_not_found", "there is no such job")
}

// Create creates a job and publishes its first event. It fails with Unprocessable for a value that is not allowed, with
// TooMany job_limit if the tenant has too many running jobs, with the errors of Publish for the limits of events, and
// with Conflict job_channel_taken if the channel belongs to another job.
func (j *Jobs) Create(ctx context.Context, tenant tenants.TenantID, spec Spec) (Job, error) {
	r, err := j.create(ctx, tenant, spec, nil)
	return r.Job, err
}

func (j *Jobs) create(ctx context.Context, tenant tenants.TenantID, spec Spec, run *assignment) (storedJob, error) {
	if spec.Timeout == 0 {
		spec.Timeout = DefaultTimeout
	}
	if err := spec.check(); err != nil {
		return storedJob{}, err
	}
	if err := j.checkLimits(ctx, tenant, spec.Channel); err != nil {
		return storedJob{}, err
	}
	now := time.Now().UTC()
	r := storedJob{Run: run, Job: Job{
		ID: tenants.NewID(tenants.PrefixJob), Tenant: tenant, Name: spec.Name, Channel: spec.Channel, State: Running,
		Created: now, Reported: now, Timeout: spec.Timeout, Revision: 1,
	}}
	due := now.Add(claimTime)
	if run != nil {
		due = now
	}
	ops := []tenants.Op{
		tenants.Put(runningKey(tenant, r.ID), record.Empty, time.Time{}, tenants.Absent()),
		tenants.Put(dueKey(due, tenant, r.ID), record.Empty, time.Time{}, tenants.Anything()),
	}
	if r.Channel == "" {
		r.Channel = tenants.JobChannels + r.ID
	} else {
		key := tenants.Key{Tenant: tenant, Kind: rowChannel, Sort: r.Channel}
		ops = append(ops, tenants.Put(key, record.Empty, now.Add(maxLife+Kept), tenants.Absent()))
	}
	r.claimPublishing(now)
	err := j.table.Write(ctx, append(ops, r.put(tenants.Absent()))...)
	if refusal, ok := errors.AsType[*tenants.RefusedError](err); ok && refusal.Op == len(ops)-1 && spec.Channel != "" {
		return storedJob{}, tenants.Errorf(tenants.Conflict, "job_channel_taken",
			"another job has this channel; a job without a channel gets one of its own")
	}
	if err != nil {
		return storedJob{}, err
	}
	return r, j.publish(ctx, r)
}

// checkLimits counts a new job against the tenant's limits.
func (j *Jobs) checkLimits(ctx context.Context, tenant tenants.TenantID, channel string) error {
	terms, err := j.intake.Terms(ctx, tenant)
	if err != nil {
		return err
	}
	if err := j.intake.Take(tenant, terms); err != nil {
		return err
	}
	if limit := terms.Limits.Jobs; limit > 0 {
		n, err := record.Count(ctx, j.table, tenant, rowRunning, limit)
		if err != nil {
			return err
		}
		if n >= limit {
			return tenants.Errorf(tenants.TooMany, "job_limit", "the account must have at most %d running jobs", limit)
		}
	}
	return j.intake.Admit(ctx, terms, tenants.ChannelKey{Tenant: tenant, Name: channel})
}

// Get returns a job. It fails with NotFound job_not_found, also once Kept has passed after the job's end.
func (j *Jobs) Get(ctx context.Context, tenant tenants.TenantID, id string) (Job, error) {
	r, err := j.read(ctx, tenant, id)
	return r.Job, err
}

// List returns up to limit (1 to 100) jobs after the id after, oldest first, and the id to continue after: "" at the
// end.
func (j *Jobs) List(
	ctx context.Context, tenant tenants.TenantID, after string, limit int,
) (jobs []Job, next string, err error) {
	rows, next, err := record.List[storedJob](ctx, j.table, tenant, rowJobs, after, record.PageLimit(limit))
	for _, r := range rows {
		jobs = append(jobs, r.Job)
	}
	return jobs, next, err
}

// Report takes a report of a worker. It fails with Unprocessable or TooLarge for a value that cannot be shown, with
// Conflict job_ended if the job has ended (unless this report ended it, and is received again), with TooMany
// event_rate, and with TooMany job_log_rate if lines come faster than they are published. After Unavailable the
// report may have been taken. Repeating it changes nothing, except that its lines may appear twice.
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
	return j.update(ctx, tenant, id, func(r *storedJob, now time.Time) error {
		if r.State != Running {
			if r.repeats(report) {
				return nil
			}
			return tenants.Errorf(tenants.Conflict, "job_ended", "the job has ended: its state is %s", r.State)
		}
		return r.take(report, now, terms)
	})
}

// take applies a report and its lines.
func (r *storedJob) take(report Report, now time.Time, terms intake.Terms) error {
	if len(report.Lines) > 0 {
		lines := append(r.Lines[:len(r.Lines):len(r.Lines)], report.Lines...)
		if len(r.Lines) > 0 && len(encode(lines)) > maxLog {
			err := tenants.Errorf(tenants.TooMany, "job_log_rate", "the lines come faster than they are published")
			err.RetryAfter = time.Second
			return err
		}
		r.Lines = lines
	}
	r.apply(report, now)
	return terms.CheckSize(len(r.data(nil)))
}

// Cancel ends a running job as failed, with the code canceled. It does not change a job that has ended.
func (j *Jobs) Cancel(ctx context.Context, tenant tenants.TenantID, id string) (Job, error) {
	return j.update(ctx, tenant, id, func(r *storedJob, now time.Time) error {
		if r.State == Running {
			r.apply(failure(errorCanceled, "the job was canceled"), now)
		}
		return nil
	})
}

// edit changes a job, or fails and leaves it to be discarded. It may be called several times.
type edit func(r *storedJob, now time.Time) error

// update changes a job as change does, and publishes the change.
func (j *Jobs) update(ctx context.Context, tenant tenants.TenantID, id string, do edit) (Job, error) {
	var claimed bool
	r, err := j.change(ctx, tenant, id, func(r *storedJob, now time.Time) error {
		if err := do(r, now); err != nil {
			return err
		}
		claimed = r.claimPublishing(now)
		return nil
	})
	if err == nil && claimed {
		err = j.publish(ctx, r)
	}
	return r.Job, err
}

// change applies do to the job by compare-and-swap, and returns the result. A job that ends leaves the running jobs.
func (j *Jobs) change(ctx context.Context, tenant tenants.TenantID, id string, do edit) (r storedJob, err error) {
	if !tenants.ValidID(tenants.PrefixJob, id) {
		return r, notFound()
	}
	update := func(now storedJob, was tenants.Condition) ([]tenants.Op, error) {
		if r = now; was.IsAbsent() {
			return nil, notFound()
		}
		before := string(encode(r))
		if err := do(&r, time.Now().UTC()); err != nil || string(encode(r)) == before {
			return nil, err
		}
		ops := []tenants.Op{r.put(was)}
		if r.State != now.State {
			ops = append(ops, tenants.Delete(runningKey(tenant, id), tenants.Anything()))
		}
		return ops, nil
	}
	if err = record.Update(ctx, j.table, rowKey(tenant, id), update); errors.Is(err, record.ErrContended) {
		err = tenants.Errorf(tenants.Unavailable, "job_contended", "too many reports on the job come at once")
	}
	return r, err
}

func (j *Jobs) read(ctx context.Context, tenant tenants.TenantID, id string) (storedJob, error) {
	if !tenants.ValidID(tenants.PrefixJob, id) {
		return storedJob{}, notFound()
	}
	r, was, err := record.Find[storedJob](ctx, j.table, rowKey(tenant, id))
	if err == nil && was.IsAbsent() {
		err = notFound()
	}
	return r, err
}

const (
	tokenPrefix = "rpt_"
	tagChars    = 32 // 160 bits
)

// Token returns the last part of a job's report URL. Its holder can report on that job only. It is not stored: it
// follows from the job and the deployment's secret.
func (j *Jobs) Token(job Job) string {
	body := strings.TrimPrefix(string(job.Tenant), tenants.PrefixTenant) + strings.TrimPrefix(job.ID, tenants.PrefixJob)
	return tokenPrefix + body + j.tag(body)
}

func (j *Jobs) tag(body string) string {
	return tenants.Crockford.EncodeToString(j.reports.MAC(body))[:tagChars]
}

// OpenToken returns which job a token is for, without I/O. It fails with NotFound job_not_found for any other text.
func (j *Jobs) OpenToken(token string) (tenant tenants.TenantID, id string, err error) {
	text, ok := strings.CutPrefix(token, tokenPrefix)
	if !ok || len(text) != 2*tenants.IDChars+tagChars ||
		!keyring.SameText(text[2*tenants.IDChars:], j.tag(text[:2*tenants.IDChars])) {
		return "", "", notFound()
	}
	return tenants.TenantID(tenants.PrefixTenant + text[:tenants.IDChars]),
		tenants.PrefixJob + text[tenants.IDChars:2*tenants.IDChars], nil
}
