package job_test

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
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/job"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
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
func runRig(t *testing.T, w *worker, do func(r *rig.JobRig, endpoints *endpoint.Endpoints, endpoint endpoint.Endpoint)) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.NewJobRig(t)
		endpoints := r.Endpoints(false)
		e, _ := rig.MustCreate(t, endpoints, r.Tenant, rig.HooksEndpoint())
		r.Jobs.UseRunner(job.Runner{Endpoints: endpoints, Opener: w})
		if w.status == 0 {
			w.status = 200
		}
		stop := r.Watch(t)
		defer stop()
		do(r, endpoints, e)
	})
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
	runRig(t, w, func(r *rig.JobRig, endpoints *endpoint.Endpoints, e endpoint.Endpoint) {
		j := r.CreateRun(t, endpoints, e, 0)
		time.Sleep(14 * time.Minute)
		var said []string
		for _, e := range r.Events(t, j) {
			said = append(said, strings.TrimPrefix(e.Type, "job."))
		}
		if got := strings.Join(said, " "); got != "progress progress log progress completed" {
			t.Errorf("told %s", got)
		}
		done := rig.Ok(r.Jobs.Get(context.Background(), r.Tenant, j.ID))(t)
		if done.State != job.Completed || string(done.Result) != `{"file":"x.zip"}` || done.Step != "rows" {
			t.Errorf("the job is %+v", done)
		}
		o := w.asked[0]
		if len(w.asked) != 1 || string(o.Body) != `{"year":2026}` || o.Header["Hookcast-Event-Type"][0] != "job.run" || o.Header["Webhook-Id"][0] != j.ID ||
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
		"unreachable":         {&worker{why: tenants.FailureBlocked}, job.ErrorUnreachable},
		"a 503":               {&worker{status: 503, answer: hang}, job.ErrorStatus},
		"a redirect":          {&worker{status: 302, answer: hang}, job.ErrorStatus},
		"silence":             {&worker{kind: "application/json", answer: hang}, job.ErrorSilent},
		"nothing but lines":   {&worker{kind: "application/x-ndjson", answer: drip}, job.ErrorTooLong},
		"an end without one":  {&worker{kind: "application/x-ndjson", answer: func(_ context.Context, w io.Writer) { io.WriteString(w, "x\n") }}, job.ErrorBroken},
		"an error of its own": {&worker{kind: "application/jsonl", answer: func(_ context.Context, w io.Writer) { io.WriteString(w, `{"error":{"code":"no_rows","message":"m"}}`) }}, "no_rows"},
	} {
		t.Run(name, func(t *testing.T) {
			runRig(t, c.worker, func(r *rig.JobRig, endpoints *endpoint.Endpoints, e endpoint.Endpoint) {
				j := r.CreateRun(t, endpoints, e, time.Minute)
				time.Sleep(20 * time.Minute)
				done := rig.Ok(r.Jobs.Get(context.Background(), r.Tenant, j.ID))(t)
				if done.State != job.Failed || done.Error.Code != c.code {
					t.Errorf("it is %s of %+v, want %s", done.State, done.Error, c.code)
				}
				if all := r.Events(t, j); !all[len(all)-1].End || all[len(all)-1].Error == nil || all[len(all)-1].Error.Code != c.code {
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
	runRig(t, w, func(r *rig.JobRig, endpoints *endpoint.Endpoints, e endpoint.Endpoint) {
		job := r.CreateRun(t, endpoints, e, 0)
		time.Sleep(25 * time.Second)
		if closed.Load() {
			t.Error("closed before it was canceled")
		}
		rig.Ok(r.Jobs.Cancel(context.Background(), r.Tenant, job.ID))(t)
		time.Sleep(11 * time.Second)
		if !closed.Load() {
			t.Error("the request goes on")
		}
	})
}

// The node that runs a job dies. Another one says so, and does not begin the work again.
func TestRunOfADeadNodeFailsAndIsNotBegunTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.NewJobRig(t)
		endpoints := r.Endpoints(false)
		e, _ := rig.MustCreate(t, endpoints, r.Tenant, rig.HooksEndpoint())
		w := &worker{status: 200, kind: "application/json", answer: func(ctx context.Context, _ io.Writer) { <-ctx.Done() }}
		r.Jobs.UseRunner(job.Runner{Endpoints: endpoints, Opener: w})
		stop := r.Watch(t)
		j := r.CreateRun(t, endpoints, e, 0)
		time.Sleep(5 * time.Second)
		stop()
		r.Jobs = r.Process()
		r.Jobs.UseRunner(job.Runner{Endpoints: endpoints, Opener: w})
		defer r.Watch(t)()
		time.Sleep(50 * time.Second)
		done := rig.Ok(r.Jobs.Get(context.Background(), r.Tenant, j.ID))(t)
		if done.State != job.Failed || done.Error.Code != job.ErrorNodeLost || len(w.asked) != 1 {
			t.Errorf("it is %s of %+v, and was begun %d times", done.State, done.Error, len(w.asked))
		}
	})
}

func TestRunNeedsAnEndpointThatIsEnabled(t *testing.T) {
	r := rig.NewJobRig(t)
	ctx := context.Background()
	pending := r.Endpoints(true)
	e, _ := rig.MustCreate(t, pending, r.Tenant, rig.HooksEndpoint())
	_, err := r.Jobs.CreateRun(ctx, pending, r.Tenant, job.RunSpec{Endpoint: e.ID})
	rig.WantError(t, err, tenants.Conflict, "endpoint_not_enabled")
	_, err = r.Jobs.CreateRun(ctx, pending, r.Tenant, job.RunSpec{Endpoint: tenants.NewID(tenants.PrefixEndpoint)})
	rig.WantError(t, err, tenants.NotFound, "endpoint_not_found")
	open := r.Endpoints(false)
	e, _ = rig.MustCreate(t, open, r.Tenant, rig.HooksEndpoint())
	_, err = r.Jobs.CreateRun(ctx, open, r.Tenant, job.RunSpec{Endpoint: e.ID, Data: json.RawMessage(`"` + strings.Repeat("x", job.MaxRunData) + `"`)})
	rig.WantError(t, err, tenants.TooLarge, "job_data_too_large")
	_, err = r.Jobs.CreateRun(ctx, open, r.Tenant, job.RunSpec{Endpoint: e.ID, Spec: job.Spec{Timeout: time.Hour}})
	rig.WantError(t, err, tenants.Unprocessable, "invalid_timeout")
}
