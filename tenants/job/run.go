package job

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"strconv"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/worker"
)

// A job that is run has an endpoint of the tenant's do the work: it is posted to, signed as any delivery, and may take its time. Whichever node finds the job first
// reads the answer and reports what it says. The node's claim on it lasts runLease and is renewed while it reads; a job whose claim lapses has
// failed, since the work may have been done in part and is not begun twice.

// TypeRun is the type of what is posted to an endpoint that is to do a job's work. One that is there for nothing else has it for its types.
const TypeRun = "job.run"

// Codes of a Error where the endpoint did not do it.
const (
	ErrorUnreachable = "endpoint_unreachable" // no answer at all
	ErrorStatus      = "endpoint_status"      // one that is no 2xx
	ErrorBroken      = "endpoint_broken"      // one that broke off, or ended without a result
	ErrorSilent      = "endpoint_silent"      // nothing for longer than the job's timeout
	ErrorTooLarge    = "endpoint_too_large"
	ErrorTooLong     = "endpoint_too_long" // longer than MaxRun
	ErrorNodeLost    = "node_lost"         // the node that read the answer is gone
)

// Bounds of a run.
const (
	MaxRun        = 15 * time.Minute
	MaxJobRunData = 64 << 10 // bytes of what is posted
	maxRunAnswer  = 8 << 20  // bytes of an answer that streams
	maxRunLine    = MaxJobResult + 4096
	runLease      = 30 * time.Second
	runRenew      = 10 * time.Second
	runWait       = time.Minute // in which a node has to find the job
)

// jobRun is what of a job that is run is kept.
type jobRun struct {
	Endpoint string
	Data     json.RawMessage
	Node     string    // whose it is; "": nobody's yet
	Until    time.Time // how long, unless it is renewed
}

// RunSpec is what a caller chooses of a job that is run.
type RunSpec struct {
	Spec                     // its Timeout is how long the endpoint may say nothing
	Endpoint string          // its id
	Data     json.RawMessage // what is posted; nil: {}
}

// Runner is what a process runs jobs with.
type Runner struct {
	Endpoints *endpoint.Endpoints
	Opener    tenants.Opener
}

// CreateRun makes a job that an endpoint of the tenant's is to do: an endpoint that is not enabled is Conflict endpoint_not_enabled, one that is not there
// NotFound. Otherwise as Create.
func (j *Jobs) CreateRun(ctx context.Context, endpoints *endpoint.Endpoints, tenant tenants.TenantID, spec RunSpec) (Job, error) {
	e, err := endpoints.Get(ctx, tenant, spec.Endpoint)
	if err != nil {
		return Job{}, err
	}
	if e.State != endpoint.Enabled {
		return Job{}, tenants.Errorf(tenants.Conflict, "endpoint_not_enabled", "the endpoint is %s", e.State)
	}
	if spec.Timeout > MaxRun {
		return Job{}, tenants.Refused("/timeout_seconds", "invalid_timeout", "the timeout of a run must be 1 to 900 seconds")
	}
	run := jobRun{Endpoint: e.ID, Data: json.RawMessage("{}")}
	if len(spec.Data) > 0 {
		var b bytes.Buffer
		if json.Compact(&b, spec.Data) != nil {
			return Job{}, tenants.Refused("/data", "invalid_data", "the data must be JSON")
		}
		if b.Len() > MaxJobRunData {
			return Job{}, tenants.Errorf(tenants.TooLarge, "job_data_too_large", "the data have %d bytes, and may have %d", b.Len(), MaxJobRunData)
		}
		run.Data = b.Bytes()
	}
	r, err := j.create(ctx, tenant, spec.Spec, &run)
	return r.Job, err
}

// deadline is Job's, but for a job that is run: the node that has it says when the endpoint is silent, and the claim when the node is gone.
func (r *jobRecord) deadline() time.Time {
	if r.Run != nil {
		return r.Created.Add(MaxRun + 2*runWait)
	}
	return r.Job.deadline()
}

// attendRun does what is to be done about a running job's run. It is called within a change.
func (r *jobRecord) attendRun(now time.Time, node string) (claimed bool) {
	switch run := r.Run; {
	case run == nil || r.State != Running:
	case run.Node == "" && node != "":
		run.Node, run.Until = node, now.Add(runLease)
		return true
	case run.Node == "" && now.Sub(r.Created) > runWait:
		r.apply(Report{Error: &Error{ErrorNodeLost, "no node has begun with it"}}, now)
	case run.Node != "" && !now.Before(run.Until):
		r.apply(Report{Error: &Error{ErrorNodeLost, "the node that ran it is gone"}}, now)
	}
	return false
}

// run does a job that this process has claimed, and tells how it ended.
func (j *Jobs) run(ctx context.Context, r jobRecord) {
	within, cancel := context.WithTimeoutCause(ctx, MaxRun, errRunTooLong)
	defer cancel()
	held, let := context.WithCancelCause(within)
	defer let(nil)
	j.later.Go(func() { j.hold(held, let, r) })
	end := j.askEndpoint(held, let, r)
	if ctx.Err() != nil || errors.Is(context.Cause(held), errRunLost) {
		return // another's by now, or the process is about to go: the claim lapses, and who finds that says so
	}
	j.say(ctx, r, end)
}

var (
	errRunTooLong = errors.New("tenants: the run took too long")
	errRunSilent  = errors.New("tenants: nothing came for too long")
	errRunLost    = errors.New("tenants: the job is not this process's any more")
)

// hold renews the claim until ctx ends, and ends it where the job is over or another's.
func (j *Jobs) hold(ctx context.Context, let context.CancelCauseFunc, r jobRecord) {
	until := r.Run.Until
	for worker.Wait(ctx, runRenew) {
		now, err := j.change(ctx, r.Tenant, r.ID, func(now *jobRecord, at time.Time) error {
			if now.State != Running || now.Run == nil || now.Run.Node != r.Run.Node {
				return tenants.Errorf(tenants.Conflict, "job_ended", "over")
			}
			now.Run.Until = at.Add(runLease)
			return nil
		})
		if err == nil {
			until = now.Run.Until
		} else if tenants.KindOf(err) != tenants.Unavailable || time.Now().After(until) {
			let(errRunLost)
			return
		}
	}
}

// askEndpoint posts to the endpoint, reports what its answer says while it comes, and returns how that ends.
func (j *Jobs) askEndpoint(ctx context.Context, cancel context.CancelCauseFunc, r jobRecord) Report {
	e, err := j.runner.Endpoints.Get(ctx, r.Tenant, r.Run.Endpoint)
	if err != nil || e.State != endpoint.Enabled {
		return runFailed(ErrorUnreachable, "the endpoint is not enabled any more")
	}
	out, err := j.runner.Endpoints.Prepare(ctx, e, r.ID, tenants.Event{
		ID: r.ID, Tenant: r.Tenant, Type: TypeRun, Data: r.Run.Data, ContentType: "application/json", Time: r.Created,
	}, time.Now())
	if err != nil {
		return runFailed(ErrorUnreachable, "the request could not be made")
	}
	out.Header["Accept"] = []string{"application/x-ndjson, application/json;q=0.9, */*;q=0.5"}
	silent := time.AfterFunc(r.Timeout, func() { cancel(errRunSilent) })
	defer silent.Stop()
	answer, why := j.runner.Opener.Open(ctx, out)
	if why != "" {
		return orCause(ctx, runFailed(ErrorUnreachable, "the endpoint could not be reached: "+string(why)))
	}
	defer answer.Body.Close()
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return runFailed(ErrorStatus, "the endpoint answered "+strconv.Itoa(answer.StatusCode))
	}
	body := readerFunc(func(b []byte) (int, error) {
		n, err := answer.Body.Read(b)
		if n > 0 {
			silent.Reset(r.Timeout)
		}
		return n, err
	})
	if streams(answer.Header.Get("Content-Type")) {
		return orCause(ctx, readJobLines(body, func(report Report) error { return j.pass(ctx, r, report) }))
	}
	return orCause(ctx, readJobResult(body))
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

func runFailed(code, why string) Report { return Report{Error: &Error{code, why}} }

// orCause is end, or what ctx was ended for.
func orCause(ctx context.Context, end Report) Report {
	if end.Error == nil {
		return end
	}
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errRunSilent):
		return runFailed(ErrorSilent, "the endpoint said nothing for too long")
	case errors.Is(cause, errRunTooLong):
		return runFailed(ErrorTooLong, "the endpoint took longer than 15 minutes")
	}
	return end
}

// streams tells whether the answer is one line after the other.
func streams(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	switch kind {
	case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines":
		return err == nil
	}
	return false
}

// readJobLines reads an answer that streams, has each line passed on, and returns how it ends: by the first line with a result or an error.
func readJobLines(from io.Reader, pass func(Report) error) Report {
	limited := &io.LimitedReader{R: from, N: maxRunAnswer + 1}
	lines := bufio.NewScanner(limited)
	lines.Buffer(make([]byte, 0, 4096), maxRunLine)
	for lines.Scan() {
		report := jobLine(lines.Bytes())
		if report.Complete || report.Error != nil {
			return report
		}
		if report.Percent == nil && report.Step == nil && report.Message == nil && report.Lines == nil {
			continue
		}
		if err := pass(report); err != nil {
			return runFailed(ErrorBroken, "what the endpoint said could not be kept")
		}
	}
	switch {
	case errors.Is(lines.Err(), bufio.ErrTooLong) || limited.N <= 0:
		return runFailed(ErrorTooLarge, "the endpoint's answer is too large, or a line of it")
	case lines.Err() != nil:
		return runFailed(ErrorBroken, "the endpoint's answer broke off")
	}
	return runFailed(ErrorBroken, "the endpoint's answer ended without a result")
}

// readJobResult reads an answer that is the result: JSON, or a text.
func readJobResult(from io.Reader) Report {
	b, err := io.ReadAll(io.LimitReader(from, MaxJobResult+1))
	switch {
	case err != nil:
		return runFailed(ErrorBroken, "the endpoint's answer broke off")
	case len(b) > MaxJobResult:
		return runFailed(ErrorTooLarge, "the endpoint's answer is larger than 256 KiB")
	case len(bytes.TrimSpace(b)) == 0:
		return Report{Complete: true}
	}
	if !json.Valid(b) || tenants.NestsDeeper(b, jobDepth) {
		b = encodeJob(string(bytes.ToValidUTF8(b, []byte("\ufffd"))))
	}
	end := Report{Complete: true, Result: b}
	if end.check() != nil {
		return runFailed(ErrorTooLarge, "the endpoint's answer is larger than 256 KiB")
	}
	return end
}

// pass takes what the endpoint says while it works. Where it says it faster than it can be told, it waits.
func (j *Jobs) pass(ctx context.Context, r jobRecord, report Report) error {
	terms, err := j.intake.Terms(ctx, r.Tenant)
	if err != nil && tenants.KindOf(err) != tenants.Unavailable {
		return err
	}
	for {
		_, err := j.set(ctx, r.Tenant, r.ID, func(now *jobRecord, at time.Time) error {
			if now.State != Running {
				return tenants.Errorf(tenants.Conflict, "job_ended", "over")
			}
			return now.take(report, at, terms)
		})
		if err == nil || tenants.CodeOf(err) != "job_log_rate" && tenants.KindOf(err) != tenants.Unavailable {
			return err
		}
		if !worker.Wait(ctx, jobSpacing) {
			return err
		}
	}
}

// say ends the job as the run has ended. It is tried until the claim would have lapsed.
func (j *Jobs) say(ctx context.Context, r jobRecord, end Report) {
	ctx, cancel := context.WithTimeout(ctx, runLease)
	defer cancel()
	err := end.check()
	if err == nil {
		err = j.pass(ctx, r, end)
	}
	if tenants.CodeOf(err) == "event_too_large" || tenants.CodeOf(err) == "job_result_too_large" {
		_ = j.pass(ctx, r, runFailed(ErrorTooLarge, "the result is larger than an event may be"))
	}
}
