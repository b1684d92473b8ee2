package tenants_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// worker is an endpoint that does jobs: an Opener whose answers the test writes.
type worker struct {
	mu     sync.Mutex
	asked  []tenants.Outgoing
	kind   string
	status int
	answer func(ctx context.Context, w io.Writer)
	why    tenants.Failure
}

func (w *worker) Open(ctx context.Context, o tenants.Outgoing) (*http.Response, tenants.Failure) {
	w.mu.Lock()
	w.asked = append(w.asked, o)
	w.mu.Unlock()
	if w.why != "" {
		return nil, w.why
	}
	r, into := io.Pipe()
	context.AfterFunc(ctx, func() { into.CloseWithError(ctx.Err()) })
	go func() {
		w.answer(ctx, into)
		into.CloseWithError(ctx.Err()) // an answer that is cut is not one that has ended
	}()
	return &http.Response{StatusCode: w.status, Header: http.Header{"Content-Type": {w.kind}}, Body: r}, ""
}

// runRig runs jobs in a bubble.
func runRig(t *testing.T, w *worker, do func(r *jobRig, endpoints *tenants.Endpoints, endpoint tenants.Endpoint)) {
	synctest.Test(t, func(t *testing.T) {
		r := newJobRig(t)
		endpoints := r.endpoints(false)
		e, _ := mustCreate(t, endpoints, r.tenant, hooksEndpoint())
		r.jobs.Run(tenants.JobRunner{Endpoints: endpoints, Opener: w})
		if w.status == 0 {
			w.status = 200
		}
		stop := r.watch(t)
		defer stop()
		do(r, endpoints, e)
	})
}

func (r *jobRig) run(t *testing.T, endpoints *tenants.Endpoints, e tenants.Endpoint, timeout time.Duration) tenants.Job {
	t.Helper()
	return ok(r.jobs.CreateRun(context.Background(), endpoints, r.tenant, tenants.JobRunSpec{
		JobSpec: tenants.JobSpec{Timeout: timeout}, Endpoint: e.ID, Data: json.RawMessage(`{"year": 2026}`),
	}))(t)
}

func TestEndpointDoesAJobAndItsAnswerIsTold(t *testing.T) {
	w := &worker{kind: "application/x-ndjson; charset=utf-8", answer: func(_ context.Context, w io.Writer) {
		for _, line := range []string{`{"percent":20,"step":"rows"}`, "reading", "", `{"percent":60}`, `{"result":{"file":"x.zip"}}`, `{"error":"never read"}`} {
			time.Sleep(2 * time.Minute)
			if _, err := io.WriteString(w, line+"\n"); err != nil {
				return
			}
		}
	}}
	runRig(t, w, func(r *jobRig, endpoints *tenants.Endpoints, e tenants.Endpoint) {
		job := r.run(t, endpoints, e, 0)
		time.Sleep(14 * time.Minute)
		var said []string
		for _, e := range r.events(t, job) {
			said = append(said, strings.TrimPrefix(e.Type, "job."))
		}
		if got := strings.Join(said, " "); got != "progress progress log progress completed" {
			t.Errorf("told %s", got)
		}
		done := ok(r.jobs.Get(context.Background(), r.tenant, job.ID))(t)
		if done.State != tenants.JobCompleted || string(done.Result) != `{"file":"x.zip"}` || done.Step != "rows" {
			t.Errorf("the job is %+v", done)
		}
		o := w.asked[0]
		if len(w.asked) != 1 || string(o.Body) != `{"year":2026}` || o.Header["Hookcast-Event-Type"][0] != "job.run" || o.Header["Webhook-Id"][0] != job.ID ||
			o.Header["Webhook-Signature"] == nil || o.Header["Authorization"][0] != "Bearer of-the-tenant" {
			t.Errorf("posted %d times %s with %v", len(w.asked), o.Body, o.Header)
		}
	})
}

func TestRunFailsWithAWordThatSaysWhy(t *testing.T) {
	hang := func(ctx context.Context, _ io.Writer) { <-ctx.Done() }
	drip := func(ctx context.Context, w io.Writer) {
		for ctx.Err() == nil {
			time.Sleep(30 * time.Second)
			io.WriteString(w, "\n")
		}
	}
	for name, c := range map[string]struct {
		worker *worker
		code   string
	}{
		"unreachable":         {&worker{why: tenants.FailureBlocked}, tenants.JobErrorUnreachable},
		"a 503":               {&worker{status: 503, answer: hang}, tenants.JobErrorStatus},
		"a redirect":          {&worker{status: 302, answer: hang}, tenants.JobErrorStatus},
		"silence":             {&worker{kind: "application/json", answer: hang}, tenants.JobErrorSilent},
		"nothing but lines":   {&worker{kind: "application/x-ndjson", answer: drip}, tenants.JobErrorTooLong},
		"an end without one":  {&worker{kind: "application/x-ndjson", answer: func(_ context.Context, w io.Writer) { io.WriteString(w, "x\n") }}, tenants.JobErrorBroken},
		"an error of its own": {&worker{kind: "application/jsonl", answer: func(_ context.Context, w io.Writer) { io.WriteString(w, `{"error":{"code":"no_rows","message":"m"}}`) }}, "no_rows"},
	} {
		t.Run(name, func(t *testing.T) {
			runRig(t, c.worker, func(r *jobRig, endpoints *tenants.Endpoints, e tenants.Endpoint) {
				job := r.run(t, endpoints, e, time.Minute)
				time.Sleep(20 * time.Minute)
				done := ok(r.jobs.Get(context.Background(), r.tenant, job.ID))(t)
				if done.State != tenants.JobFailed || done.Error.Code != c.code {
					t.Errorf("it is %s of %+v, want %s", done.State, done.Error, c.code)
				}
				if all := r.events(t, job); !all[len(all)-1].End || all[len(all)-1].Error == nil || all[len(all)-1].Error.Code != c.code {
					t.Errorf("told %+v", all)
				}
			})
		})
	}
}

func TestCanceledRunClosesItsRequest(t *testing.T) {
	var closed atomic.Bool
	w := &worker{kind: "application/json", answer: func(ctx context.Context, _ io.Writer) {
		<-ctx.Done()
		closed.Store(true)
	}}
	runRig(t, w, func(r *jobRig, endpoints *tenants.Endpoints, e tenants.Endpoint) {
		job := r.run(t, endpoints, e, 0)
		time.Sleep(25 * time.Second)
		if closed.Load() {
			t.Error("closed before it was canceled")
		}
		ok(r.jobs.Cancel(context.Background(), r.tenant, job.ID))(t)
		time.Sleep(11 * time.Second)
		if !closed.Load() {
			t.Error("the request goes on")
		}
	})
}

// The node that runs a job dies. Another one says so, and does not begin the work again.
func TestRunOfADeadNodeFailsAndIsNotBegunTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newJobRig(t)
		endpoints := r.endpoints(false)
		e, _ := mustCreate(t, endpoints, r.tenant, hooksEndpoint())
		w := &worker{status: 200, kind: "application/json", answer: func(ctx context.Context, _ io.Writer) { <-ctx.Done() }}
		r.jobs.Run(tenants.JobRunner{Endpoints: endpoints, Opener: w})
		stop := r.watch(t)
		job := r.run(t, endpoints, e, 0)
		time.Sleep(5 * time.Second)
		stop()
		r.jobs = r.process()
		r.jobs.Run(tenants.JobRunner{Endpoints: endpoints, Opener: w})
		defer r.watch(t)()
		time.Sleep(50 * time.Second)
		done := ok(r.jobs.Get(context.Background(), r.tenant, job.ID))(t)
		if done.State != tenants.JobFailed || done.Error.Code != tenants.JobErrorNodeLost || len(w.asked) != 1 {
			t.Errorf("it is %s of %+v, and was begun %d times", done.State, done.Error, len(w.asked))
		}
	})
}

func TestRunNeedsAnEndpointThatIsEnabled(t *testing.T) {
	r := newJobRig(t)
	ctx := context.Background()
	pending := r.endpoints(true)
	e, _ := mustCreate(t, pending, r.tenant, hooksEndpoint())
	_, err := r.jobs.CreateRun(ctx, pending, r.tenant, tenants.JobRunSpec{Endpoint: e.ID})
	wantError(t, err, tenants.Conflict, "endpoint_not_enabled")
	_, err = r.jobs.CreateRun(ctx, pending, r.tenant, tenants.JobRunSpec{Endpoint: tenants.NewID(tenants.PrefixEndpoint)})
	wantError(t, err, tenants.NotFound, "endpoint_not_found")
	open := r.endpoints(false)
	e, _ = mustCreate(t, open, r.tenant, hooksEndpoint())
	_, err = r.jobs.CreateRun(ctx, open, r.tenant, tenants.JobRunSpec{Endpoint: e.ID, Data: json.RawMessage(`"` + strings.Repeat("x", tenants.MaxJobRunData) + `"`)})
	wantError(t, err, tenants.TooLarge, "job_data_too_large")
	_, err = r.jobs.CreateRun(ctx, open, r.tenant, tenants.JobRunSpec{Endpoint: e.ID, JobSpec: tenants.JobSpec{Timeout: time.Hour}})
	wantError(t, err, tenants.Unprocessable, "invalid_timeout")
}
