package job

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/worker"
)

// Codes of an Error of a run that the endpoint did not set.
const (
	ErrorUnreachable = "endpoint_unreachable" // no answer
	ErrorStatus      = "endpoint_status"      // an answer with a status other than 2xx
	ErrorBroken      = "endpoint_broken"      // an answer that broke off, or ended without a result
	ErrorSilent      = "endpoint_silent"      // no bytes for longer than the job's timeout
	ErrorTooLarge    = "endpoint_too_large"
	ErrorTooLong     = "endpoint_too_long" // longer than maxRun
	ErrorNodeLost    = "node_lost"         // the node that read the answer is gone
)

// Bounds of a run.
const (
	maxRun     = 15 * time.Minute
	MaxRunData = 64 << 10 // bytes of the request's body
	runLease   = 30 * time.Second
	runRenew   = 10 * time.Second
	runWait    = time.Minute // in which a node must find the job
)

// assignment is the stored part of a run.
type assignment struct {
	Endpoint string
	Data     json.RawMessage
	Node     string    // that has claimed the run; "": none yet
	Until    time.Time // when the claim lapses, unless it is renewed
}

// RunSpec is what a caller chooses about a job that an endpoint does.
type RunSpec struct {
	Spec                     // Timeout is how long the endpoint may be silent
	Endpoint string          // its id
	Data     json.RawMessage // the request's body; nil: {}
}

// Runner is what a process needs to do runs.
type Runner struct {
	Endpoints *endpoint.Endpoints
	Opener    tenants.Opener
}

// CreateRun creates a job that an endpoint of the tenant does. It fails as Create does, with Conflict
// endpoint_not_enabled if the endpoint is not enabled, and with NotFound if there is no such endpoint.
func (j *Jobs) CreateRun(
	ctx context.Context, endpoints *endpoint.Endpoints, tenant tenants.TenantID, spec RunSpec,
) (Job, error) {
	e, err := endpoints.Get(ctx, tenant, spec.Endpoint)
	if err != nil {
		return Job{}, err
	}
	if e.State != endpoint.Enabled {
		return Job{}, tenants.Errorf(tenants.Conflict, "endpoint_not_enabled", "the endpoint is %s; enable it first",
			e.State)
	}
	if spec.Timeout > maxRun {
		return Job{}, tenants.Refused("/timeout_seconds", "invalid_timeout",
			"the timeout of a run must be 1 to 900 seconds")
	}
	run := assignment{Endpoint: e.ID, Data: json.RawMessage("{}")}
	if len(spec.Data) > 0 {
		var b bytes.Buffer
		if json.Compact(&b, spec.Data) != nil {
			return Job{}, tenants.Refused("/data", "invalid_data", "the data must be JSON")
		}
		if b.Len() > MaxRunData {
			return Job{}, tenants.Errorf(tenants.TooLarge, "job_data_too_large",
				"the data must have at most %d bytes, not %d", MaxRunData, b.Len())
		}
		run.Data = b.Bytes()
	}
	r, err := j.create(ctx, tenant, spec.Spec, &run)
	return r.Job, err
}

// deadline returns when the job times out. A run has a later deadline than Job.deadline, because its node ends it if
// the endpoint is silent, and the lapsed claim if the node is gone.
func (r *storedJob) deadline() time.Time {
	if r.Run != nil {
		return r.Created.Add(maxRun + 2*runWait)
	}
	return r.Job.deadline()
}

// advanceRun claims a run that no node has claimed, if node is not "", or fails one that no node reads any more.
func (r *storedJob) advanceRun(now time.Time, node string) (claimed bool) {
	switch run := r.Run; {
	case run == nil || r.State != Running:
	case run.Node == "" && node != "":
		run.Node, run.Until = node, now.Add(runLease)
		return true
	case run.Node == "" && now.Sub(r.Created) > runWait:
		r.apply(failure(ErrorNodeLost, "no node has started the run"), now)
	case run.Node != "" && !now.Before(run.Until):
		r.apply(failure(ErrorNodeLost, "the node that did the run is gone"), now)
	}
	return false
}

var (
	errRunTooLong = errors.New("job: the run took too long")
	errRunSilent  = errors.New("job: the endpoint was silent for too long")
	errRunLost    = errors.New("job: the job has ended, or another process has it")
)

// perform does a run that this process has claimed, and reports its end. If the process stops or loses the claim, it
// reports nothing: whoever finds the lapsed claim does.
func (j *Jobs) perform(ctx context.Context, r storedJob) {
	within, cancel := context.WithTimeoutCause(ctx, maxRun, errRunTooLong)
	defer cancel()
	claimed, giveUp := context.WithCancelCause(within)
	defer giveUp(nil)
	j.background.Go(func() { j.renewClaim(claimed, giveUp, r) })
	end := j.requestEndpoint(claimed, giveUp, r)
	if ctx.Err() != nil || errors.Is(context.Cause(claimed), errRunLost) {
		return
	}
	j.reportEnd(ctx, r, end)
}

// renewClaim renews the claim until ctx ends. It calls giveUp if the job has ended or another process has it.
func (j *Jobs) renewClaim(ctx context.Context, giveUp context.CancelCauseFunc, r storedJob) {
	until := r.Run.Until
	for worker.Wait(ctx, runRenew) {
		now, err := j.change(ctx, r.Tenant, r.ID, func(now *storedJob, at time.Time) error {
			if now.State != Running || now.Run == nil || now.Run.Node != r.Run.Node {
				return errRunLost
			}
			now.Run.Until = at.Add(runLease)
			return nil
		})
		if err == nil {
			until = now.Run.Until
		} else if tenants.KindOf(err) != tenants.Unavailable || time.Now().After(until) {
			giveUp(errRunLost)
			return
		}
	}
}

// requestEndpoint sends the request, reports what the answer says while it comes, and returns the report that ends the
// job.
func (j *Jobs) requestEndpoint(ctx context.Context, giveUp context.CancelCauseFunc, r storedJob) Report {
	e, err := j.runner.Endpoints.Get(ctx, r.Tenant, r.Run.Endpoint)
	if err != nil || e.State != endpoint.Enabled {
		return failure(ErrorUnreachable, "the endpoint is not enabled any more")
	}
	out, err := j.runner.Endpoints.Prepare(ctx, e, r.ID, tenants.Event{
		ID: r.ID, Tenant: r.Tenant, Type: typeRun, Data: r.Run.Data, ContentType: "application/json", Time: r.Created,
	}, time.Now())
	if err != nil {
		return failure(ErrorUnreachable, "the request could not be made")
	}
	out.Header["Accept"] = []string{"application/x-ndjson, application/json;q=0.9, */*;q=0.5"}
	silent := time.AfterFunc(r.Timeout, func() { giveUp(errRunSilent) })
	defer silent.Stop()
	answer, why := j.runner.Opener.Open(ctx, out)
	if why != "" {
		return orCause(ctx, failure(ErrorUnreachable, "the endpoint could not be reached: "+string(why)))
	}
	defer answer.Body.Close()
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return failure(ErrorStatus, "the endpoint answered with status "+strconv.Itoa(answer.StatusCode))
	}
	body := readerFunc(func(b []byte) (int, error) {
		n, err := answer.Body.Read(b)
		if n > 0 {
			silent.Reset(r.Timeout)
		}
		return n, err
	})
	if isStream(answer.Header.Get("Content-Type")) {
		return orCause(ctx, readStream(body, func(report Report) error { return j.reportProgress(ctx, r, report) }))
	}
	return orCause(ctx, readResult(body))
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

func failure(code, why string) Report { return Report{Error: &Error{code, why}} }

// orCause returns end, or if that is an error which follows from the end of ctx, the reason for that end.
func orCause(ctx context.Context, end Report) Report {
	if end.Error == nil {
		return end
	}
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errRunSilent):
		return failure(ErrorSilent, "the endpoint was silent for too long")
	case errors.Is(cause, errRunTooLong):
		return failure(ErrorTooLong, "the endpoint took longer than 15 minutes")
	}
	return end
}

// reportProgress takes a report of a run. If the lines come faster than they are published, or the table cannot be
// reached, it waits and tries again until ctx ends.
func (j *Jobs) reportProgress(ctx context.Context, r storedJob, report Report) error {
	terms, err := j.intake.Terms(ctx, r.Tenant)
	if err != nil && tenants.KindOf(err) != tenants.Unavailable {
		return err
	}
	for {
		_, err := j.update(ctx, r.Tenant, r.ID, func(now *storedJob, at time.Time) error {
			if now.State != Running {
				return errRunLost
			}
			return now.take(report, at, terms)
		})
		if err == nil || tenants.CodeOf(err) != "job_log_rate" && tenants.KindOf(err) != tenants.Unavailable {
			return err
		}
		if !worker.Wait(ctx, spacing) {
			return err
		}
	}
}

// reportEnd ends the job with the report end. It tries until the claim would have lapsed.
func (j *Jobs) reportEnd(ctx context.Context, r storedJob, end Report) {
	ctx, cancel := context.WithTimeout(ctx, runLease)
	defer cancel()
	err := end.check()
	if err == nil {
		err = j.reportProgress(ctx, r, end)
	}
	if tenants.CodeOf(err) == "event_too_large" || tenants.CodeOf(err) == "job_result_too_large" {
		_ = j.reportProgress(ctx, r, failure(ErrorTooLarge, "the result is larger than an event can be"))
	}
}
