package endtoend

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Job is slow work whose progress a browser shows.
type Job struct {
	ID        string `json:"id"`
	Channel   string `json:"channel"`
	Token     string `json:"token"`
	ReportURL string `json:"report_url"`
}

// Job starts a job.
func (d Deployment) Job(t testing.TB, by Tenant, members map[string]any) (j Job) {
	t.Helper()
	if members == nil {
		members = map[string]any{}
	}
	d.Must(t, "POST", "/v1/jobs", by.Key, members).Want(t, 201).JSON(t, &j)
	return j
}

// reportTo reports as a worker without an API key does. The deployment may have another host in its URLs than the
// test uses.
func (j Job) reportTo(t testing.TB, d Deployment, report map[string]any) Answer {
	t.Helper()
	u, err := url.Parse(j.ReportURL)
	if err != nil || !strings.HasPrefix(u.Path, "/v1/reports/") {
		t.Fatalf("the report URL is %q (%v), want a path below /v1/reports/", j.ReportURL, err)
	}
	return d.Must(t, "POST", u.Path, "", report)
}

// Report reports, and wants the report to be accepted.
func (j Job) Report(t testing.TB, d Deployment, report map[string]any) {
	t.Helper()
	j.reportTo(t, d, report).Want(t, 200)
}

// jobUpdate is the payload of a job's event.
type jobUpdate struct {
	State   string
	Percent float64
	Message string
	Lines   []string
	Result  json.RawMessage
	Error   struct{ Code string }
}

// nextUpdate reads the next event of a job's channel.
func nextUpdate(t testing.TB, s *Stream) (kind string, update jobUpdate) {
	t.Helper()
	f := mustNext(t, s)
	if err := json.Unmarshal([]byte(f.Data), &update); err != nil {
		t.Fatalf("%+v: %v", f, err)
	}
	return f.Event, update
}

func jobs(t *testing.T, d Deployment, _ string) {
	tenant, other := d.Signup(t, "jobs"), d.Signup(t, "others")
	job := d.Job(t, tenant, map[string]any{"name": "Export"})
	stream := d.MustSubscribe(t, job.Token, "", nil, job.Channel)
	if kind, update := nextUpdate(t, stream); kind != "job.progress" || update.State != "running" ||
		update.Percent != 0 {
		t.Errorf("the first event is %s %+v", kind, update)
	}
	job.Report(t, d, map[string]any{"percent": 40, "message": "4 of 10"})
	if kind, update := nextUpdate(t, stream); kind != "job.progress" || update.Percent != 40 ||
		update.Message != "4 of 10" {
		t.Errorf("after a report came %s %+v", kind, update)
	}
	d.Must(t, "POST", "/v1/jobs/"+job.ID+"/log", tenant.Key, map[string]any{"lines": []string{"one", "two"}}).
		Want(t, 200)
	if kind, update := nextUpdate(t, stream); kind != "job.log" || len(update.Lines) != 2 || update.Percent != 40 {
		t.Errorf("after log lines came %s %+v", kind, update)
	}

	late := d.MustSubscribe(t, job.Token, "", nil, job.Channel)
	if _, update := nextUpdate(t, late); update.Percent != 40 || update.Message != "4 of 10" {
		t.Errorf("a late subscriber got %+v", update)
	}
	var page struct{ Data []Event }
	d.mustGet(t, d.Stream+"/v1/poll?channel="+job.Channel+"&wait=0", job.Token).JSON(t, &page)
	if len(page.Data) != 1 || page.Data[0].Type != "job.log" {
		t.Errorf("a poll without a cursor got %+v", page.Data)
	}

	d.Must(t, "GET", "/v1/jobs/"+job.ID, other.Key, nil).Want(t, 404)
	d.Must(t, "POST", "/v1/jobs/"+job.ID+"/complete", other.Key, nil).Want(t, 404)
	d.get(t, d.Stream+"/v1/poll?channel=orders&wait=0", job.Token).Want(t, 403)

	job.Report(t, d, map[string]any{"result": map[string]string{"file": "2026.zip"}})
	job.Report(t, d, map[string]any{"result": map[string]string{"file": "2026.zip"}})
	job.reportTo(t, d, map[string]any{"percent": 99}).Want(t, 409)
	for _, name := range []string{"from the start", "late", "after the end"} {
		s := map[string]*Stream{"from the start": stream, "late": late}[name]
		if s == nil {
			s = d.MustSubscribe(t, job.Token, "", nil, job.Channel)
		}
		if kind, update := nextUpdate(t, s); kind != "job.completed" || update.Percent != 100 ||
			string(update.Result) != `{"file":"2026.zip"}` {
			t.Errorf("%s: the job ended with %s %+v", name, kind, update)
		}
		wantEnded(t, name, s)
	}
	_, res, err := d.Subscribe(t.Context(), job.Token, "!stop", nil, job.Channel)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusNoContent {
		t.Errorf("subscribing after the end is answered %s, want 204", res.Status)
	}
}

// wantEnded wants the stream to be told that its channel has ended, and then to end.
func wantEnded(t *testing.T, name string, s *Stream) {
	t.Helper()
	if f := mustNext(t, s); f.Event != "hookcast.ended" || f.ID != "!stop" {
		t.Errorf("%s: after the end came %+v, want hookcast.ended", name, f)
	}
	if f, err := s.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("%s: after the last frame came %+v, %v, want io.EOF", name, f, err)
	}
}

// bursts reports as fast as it can: a few of the updates are published, the last one among them.
func bursts(t *testing.T, d Deployment, _ string) {
	tenant := d.Signup(t, "bursts")
	job := d.Job(t, tenant, nil)
	began := time.Now()
	for n := range 40 {
		job.Report(t, d, map[string]any{"percent": 2*n + 1, "message": "on the way"})
	}
	job.Report(t, d, map[string]any{"percent": 7, "message": "last"})
	took := time.Since(began)
	stream := d.MustSubscribe(t, job.Token, "0", nil, job.Channel)
	n := 0
	for before := -1.0; ; n++ {
		_, update := nextUpdate(t, stream)
		if update.Percent < before {
			t.Fatalf("%v percent came after %v percent", update.Percent, before)
		}
		before = update.Percent
		if update.Message == "last" {
			break
		}
	}
	if most := int(took/(250*time.Millisecond)) + 3; n > most {
		t.Errorf("%d events in %s, want at most %d", n, took, most)
	}
}

func jobTimesOut(t *testing.T, d Deployment, _ string) {
	tenant := d.Signup(t, "silent")
	job := d.Job(t, tenant, map[string]any{"timeout_seconds": 2})
	stream := d.MustSubscribe(t, job.Token, "", nil, job.Channel)
	kind, update := nextUpdate(t, stream)
	if update.State == "running" { // unless the job had timed out before the stream began
		kind, update = nextUpdate(t, stream)
	}
	if kind != "job.timed_out" || update.Error.Code != "timed_out" || update.State != "timed_out" {
		t.Errorf("the job ended with %s %+v, want job.timed_out", kind, update)
	}
	job.reportTo(t, d, map[string]any{"result": 1}).Want(t, 409)
	var shown struct{ State string }
	d.Must(t, "GET", "/v1/jobs/"+job.ID, tenant.Key, nil).Want(t, 200).JSON(t, &shown)
	if shown.State != "timed_out" {
		t.Errorf("the job's state is %s, want timed_out", shown.State)
	}
}

// newWorker starts a worker that reports progress at any path but /slow, where it answers at its end alone. Each
// request waits for a value of release. The worker takes its secret from secret, and stores in signed whether a
// request has the expected body and signature.
func newWorker(t *testing.T, secret <-chan string, release chan struct{}, signed *atomic.Bool) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if r.URL.Path == "/slow" { // like many slow APIs it answers when its work is done
			<-release
			io.WriteString(w, `{"rows":3}`)
			return
		}
		got := Received{r.URL.Path, r.Header.Clone(), body}
		signed.Store(got.Signed(<-secret) && string(body) == `{"year":2026}` &&
			r.Header.Get("Hookcast-Event-Type") == "job.run")
		w.Header().Set("Content-Type", "application/x-ndjson")
		io.WriteString(w, "{\"percent\":30,\"message\":\"begun\"}\n")
		w.(http.Flusher).Flush()
		<-release
		io.WriteString(w, "read 3 rows\n{\"result\":{\"file\":\"2026.zip\"}}\n")
	}))
	t.Cleanup(s.Close)
	t.Cleanup(sync.OnceFunc(func() { close(release) }))
	return s
}

// endpointRunsJob lets endpoints do the work of jobs. It needs a deployment that may post to this machine.
func endpointRunsJob(t *testing.T, d Deployment, _ string) {
	tenant := d.Signup(t, "runs")
	secret := make(chan string, 1)
	release := make(chan struct{})
	var signed atomic.Bool
	worker := newWorker(t, secret, release, &signed)
	only := map[string]any{"types": []string{"job.run"}}
	streams, slow := d.Endpoint(t, tenant, worker.URL+"/streams", only), d.Endpoint(t, tenant, worker.URL+"/slow", only)
	secret <- streams.Secret

	var job, late Job
	d.Must(t, "POST", "/v1/jobs/run", tenant.Key,
		map[string]any{"endpoint": streams.ID, "data": map[string]int{"year": 2026}}).Want(t, 201).JSON(t, &job)
	stream := d.MustSubscribe(t, job.Token, "", nil, job.Channel)
	for {
		if _, update := nextUpdate(t, stream); update.Percent == 30 && update.Message == "begun" {
			break
		}
	}
	if !signed.Load() {
		t.Error("the request to the worker is not signed, or not the expected one")
	}
	d.Must(t, "POST", "/v1/jobs/run", tenant.Key, map[string]any{"endpoint": slow.ID}).Want(t, 201).JSON(t, &late)
	slowly := d.MustSubscribe(t, late.Token, "", nil, late.Channel)
	release <- struct{}{}
	release <- struct{}{}
	var lines []string
	for {
		kind, update := nextUpdate(t, stream)
		if lines = append(lines, update.Lines...); update.State == "running" {
			continue
		}
		if kind != "job.completed" || string(update.Result) != `{"file":"2026.zip"}` || len(lines) != 1 ||
			lines[0] != "read 3 rows" {
			t.Errorf("the job ended with %s %+v and the log %q", kind, update, lines)
		}
		break
	}
	for {
		if _, update := nextUpdate(t, slowly); update.State != "running" {
			if update.State != "completed" || string(update.Result) != `{"rows":3}` {
				t.Errorf("the slow job ended with %+v", update)
			}
			break
		}
	}
	d.Must(t, "POST", "/v1/jobs/run", tenant.Key, map[string]any{"endpoint": "end_00000000000000000000000000"}).
		Want(t, 404)
}
