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
		into.CloseWithError(ctx.Err()) // a canceled answer is cut off, not ended
	}()
	return &http.Response{StatusCode: w.status, Header: http.Header{"Content-Type": {w.kind}}, Body: r}, ""
}

// runRig calls do in a synctest bubble in which Watch does runs with w.
func runRig(t *testing.T, w *worker, do func(r *rig.JobRig, endpoints *endpoint.Endpoints,
	endpoint endpoint.Endpoint)) {
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
		for _, line := range []string{
			`{"percent":20,"step":"rows"}`, "reading", "", `{"percent":60}`, `{"result":{"file":"x.zip"}}`,
			`{"error":"never read"}`,
		} {
			time.Sleep(2 * time.Minute)
			if _, err := io.WriteString(w, line+"\n"); err != nil {
				return
			}
		}
	}}
	runRig(t, w, func(r *rig.JobRig, endpoints *endpoint.Endpoints, e endpoint.Endpoint) {
		j := r.CreateRun(t, endpoints, e, 0)
		time.Sleep(14 * time.Minute)
		var types []string
		for _, e := range r.Events(t, j) {
			types = append(types, strings.TrimPrefix(e.Type, "job."))
		}
		const want = "progress progress log progress completed"
		if got := strings.Join(types, " "); got != want {
			t.Errorf("got events %s, want %s", got, want)
		}
		done := rig.Ok(r.Jobs.Get(context.Background(), r.Tenant, j.ID))(t)
		if done.State != job.Completed || string(done.Result) != `{"file":"x.zip"}` || done.Step != "rows" {
			t.Errorf("the job is %+v, want it completed with the file x.zip and the step rows", done)
		}
		if len(w.asked) != 1 {
			t.Fatalf("got %d requests, want 1", len(w.asked))
		}
		o := w.asked[0]
		if string(o.Body) != `{"year":2026}` || o.Header["Webhook-Signature"] == nil {
			t.Errorf("got the request %s with %v, want the job's data with a signature", o.Body, o.Header)
		}
		for name, want := range map[string]string{
			"Hookcast-Event-Type": "job.run", "Webhook-Id": j.ID, "Authorization": "Bearer of-the-tenant",
		} {
			if got := o.Header[name]; len(got) != 1 || got[0] != want {
				t.Errorf("got the header %s: %q, want %s", name, got, want)
			}
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
	write := func(line string) func(context.Context, io.Writer) {
		return func(_ context.Context, w io.Writer) { io.WriteString(w, line) }
	}
	const ndjson, ownError = "application/x-ndjson", `{"error":{"code":"no_rows","message":"m"}}`
	for name, c := range map[string]struct {
		worker *worker
		code   string
	}{
		"unreachable":         {&worker{why: tenants.FailureBlocked}, job.ErrorUnreachable},
		"a 503":               {&worker{status: 503, answer: hang}, job.ErrorStatus},
		"a redirect":          {&worker{status: 302, answer: hang}, job.ErrorStatus},
		"silence":             {&worker{kind: "application/json", answer: hang}, job.ErrorSilent},
		"nothing but lines":   {&worker{kind: ndjson, answer: drip}, job.ErrorTooLong},
		"no result":           {&worker{kind: ndjson, answer: write("x\n")}, job.ErrorBroken},
		"an error of its own": {&worker{kind: "application/jsonl", answer: write(ownError)}, "no_rows"},
	} {
		t.Run(name, func(t *testing.T) {
			runRig(t, c.worker, func(r *rig.JobRig, endpoints *endpoint.Endpoints, e endpoint.Endpoint) {
				j := r.CreateRun(t, endpoints, e, time.Minute)
				time.Sleep(20 * time.Minute)
				done := rig.Ok(r.Jobs.Get(context.Background(), r.Tenant, j.ID))(t)
				if done.State != job.Failed || done.Error.Code != c.code {
					t.Errorf("the job is %s with the error %+v, want failed with %s", done.State, done.Error, c.code)
				}
				all := r.Events(t, j)
				if last := all[len(all)-1]; !last.End || last.Error == nil || last.Error.Code != c.code {
					t.Errorf("the last event is %+v, want an end with %s", last, c.code)
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
			t.Error("the request is closed, want it open until Cancel")
		}
		rig.Ok(r.Jobs.Cancel(context.Background(), r.Tenant, job.ID))(t)
		time.Sleep(11 * time.Second)
		if !closed.Load() {
			t.Error("the request is open after Cancel, want it closed")
		}
	})
}

// The node that does a run dies. Another node fails the job, and does not begin the work again.
func TestRunOfADeadNodeFailsAndIsNotBegunTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig.NewJobRig(t)
		endpoints := r.Endpoints(false)
		e, _ := rig.MustCreate(t, endpoints, r.Tenant, rig.HooksEndpoint())
		w := &worker{status: 200, kind: "application/json", answer: func(ctx context.Context, _ io.Writer) {
			<-ctx.Done()
		}}
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
			t.Errorf("the job is %s with the error %+v after %d requests, want failed with %s after 1", done.State,
				done.Error, len(w.asked), job.ErrorNodeLost)
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
	large := json.RawMessage(`"` + strings.Repeat("x", job.MaxRunData) + `"`)
	_, err = r.Jobs.CreateRun(ctx, open, r.Tenant, job.RunSpec{Endpoint: e.ID, Data: large})
	rig.WantError(t, err, tenants.TooLarge, "job_data_too_large")
	_, err = r.Jobs.CreateRun(ctx, open, r.Tenant, job.RunSpec{Endpoint: e.ID, Spec: job.Spec{Timeout: time.Hour}})
	rig.WantError(t, err, tenants.Unprocessable, "invalid_timeout")
}
