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

// Job is slow work that a browser watches.
type Job struct {
	ID        string `json:"id"`
	Channel   string `json:"channel"`
	Token     string `json:"token"`
	ReportURL string `json:"report_url"`
}

// Job begins a job.
func (d Deployment) Job(t testing.TB, by Tenant, members map[string]any) (j Job) {
	t.Helper()
	if members == nil {
		members = map[string]any{}
	}
	d.Must(t, "POST", "/v1/jobs", by.Key, members).Want(t, 201).JSON(t, &j)
	return j
}

// reportTo reports as a worker without a key does. The deployment may call itself by another name than it is reached by here.
func (j Job) reportTo(t testing.TB, d Deployment, report map[string]any) Answer {
	t.Helper()
	u, err := url.Parse(j.ReportURL)
	if err != nil || !strings.HasPrefix(u.Path, "/v1/reports/") {
		t.Fatalf("the report URL is of another form: %v", err)
	}
	return d.Must(t, "POST", u.Path, "", report)
}

// Report reports and wants that it is taken.
func (j Job) Report(t testing.TB, d Deployment, report map[string]any) {
	t.Helper()
	j.reportTo(t, d, report).Want(t, 200)
}

// told is what a job's event says.
type told struct {
	State   string
	Percent float64
	Message string
	Lines   []string
	Result  json.RawMessage
	Error   struct{ Code string }
}

func nextTold(t testing.TB, s *Stream) (kind string, said told) {
	t.Helper()
	f := mustNext(t, s)
	if err := json.Unmarshal([]byte(f.Data), &said); err != nil {
		t.Fatalf("%+v: %v", f, err)
	}
	return f.Event, said
}

func jobs(t *testing.T, d Deployment, _ string) {
	tenant, other := d.Signup(t, "jobs"), d.Signup(t, "others")
	job := d.Job(t, tenant, map[string]any{"name": "Export"})
	stream := d.MustSubscribe(t, job.Token, "", nil, job.Channel)
	if kind, said := nextTold(t, stream); kind != "job.progress" || said.State != "running" || said.Percent != 0 {
		t.Errorf("at first %s %+v", kind, said)
	}
	job.Report(t, d, map[string]any{"percent": 40, "message": "4 of 10"})
	if kind, said := nextTold(t, stream); kind != "job.progress" || said.Percent != 40 || said.Message != "4 of 10" {
		t.Errorf("then %s %+v", kind, said)
	}
	d.Must(t, "POST", "/v1/jobs/"+job.ID+"/log", tenant.Key, map[string]any{"lines": []string{"one", "two"}}).Want(t, 200)
	if kind, said := nextTold(t, stream); kind != "job.log" || len(said.Lines) != 2 || said.Percent != 40 {
		t.Errorf("then %s %+v", kind, said)
	}

	late := d.MustSubscribe(t, job.Token, "", nil, job.Channel)
	if _, said := nextTold(t, late); said.Percent != 40 || said.Message != "4 of 10" {
		t.Errorf("who comes late gets %+v", said)
	}
	var page struct{ Data []Event }
	d.mustGet(t, d.Stream+"/v1/poll?channel="+job.Channel+"&wait=0", job.Token).JSON(t, &page)
	if len(page.Data) != 1 || page.Data[0].Type != "job.log" {
		t.Errorf("who polls without a cursor gets %+v", page.Data)
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
		if kind, said := nextTold(t, s); kind != "job.completed" || said.Percent != 100 || string(said.Result) != `{"file":"2026.zip"}` {
			t.Errorf("%s: the end is %s %+v", name, kind, said)
		}
		if f := mustNext(t, s); f.Event != "hookcast.ended" || f.ID != "!stop" {
			t.Errorf("%s: after the end came %+v", name, f)
		}
		if f, err := s.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("%s: after the last frame came %+v, %v", name, f, err)
		}
	}
	_, res, err := d.Subscribe(t.Context(), job.Token, "!stop", nil, job.Channel)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusNoContent {
		t.Errorf("coming back is answered %s", res.Status)
	}
}

// bursts reports as fast as it goes: few of the events are told, and the last is.
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
		_, said := nextTold(t, stream)
		if said.Percent < before {
			t.Fatalf("%v comes behind %v", said.Percent, before)
		}
		before = said.Percent
		if said.Message == "last" {
			break
		}
	}
	if most := int(took/(250*time.Millisecond)) + 3; n > most {
		t.Errorf("%d events for %s", n, took)
	}
}

func silent(t *testing.T, d Deployment, _ string) {
	tenant := d.Signup(t, "silent")
	job := d.Job(t, tenant, map[string]any{"timeout_seconds": 2})
	stream := d.MustSubscribe(t, job.Token, "", nil, job.Channel)
	kind, said := nextTold(t, stream)
	if said.State == "running" { // unless the stream took longer than the job may
		kind, said = nextTold(t, stream)
	}
	if kind != "job.timed_out" || said.Error.Code != "timed_out" || said.State != "timed_out" {
		t.Errorf("told %s %+v", kind, said)
	}
	job.reportTo(t, d, map[string]any{"result": 1}).Want(t, 409)
	var shown struct{ State string }
	d.Must(t, "GET", "/v1/jobs/"+job.ID, tenant.Key, nil).Want(t, 200).JSON(t, &shown)
	if shown.State != "timed_out" {
		t.Errorf("it is %s", shown.State)
	}
}

// runs needs a deployment that may post to this machine.
func runs(t *testing.T, d Deployment, _ string) {
	tenant := d.Signup(t, "runs")
	secret := make(chan string, 1)
	release := make(chan struct{})
	var signed atomic.Bool
	worker := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if r.URL.Path == "/slow" { // a slow API as there are many: it answers when all is done
			<-release
			io.WriteString(w, `{"rows":3}`)
			return
		}
		got := Received{r.URL.Path, r.Header.Clone(), body}
		signed.Store(got.Signed(<-secret) && string(body) == `{"year":2026}` && r.Header.Get("Hookcast-Event-Type") == "job.run")
		w.Header().Set("Content-Type", "application/x-ndjson")
		io.WriteString(w, "{\"percent\":30,\"message\":\"begun\"}\n")
		w.(http.Flusher).Flush()
		<-release
		io.WriteString(w, "read 3 rows\n{\"result\":{\"file\":\"2026.zip\"}}\n")
	}))
	t.Cleanup(worker.Close)
	t.Cleanup(sync.OnceFunc(func() { close(release) }))
	only := map[string]any{"types": []string{"job.run"}}
	streams, slow := d.Endpoint(t, tenant, worker.URL+"/streams", only), d.Endpoint(t, tenant, worker.URL+"/slow", only)
	secret <- streams.Secret

	var job, late Job
	d.Must(t, "POST", "/v1/jobs/run", tenant.Key, map[string]any{"endpoint": streams.ID, "data": map[string]int{"year": 2026}}).Want(t, 201).JSON(t, &job)
	stream := d.MustSubscribe(t, job.Token, "", nil, job.Channel)
	for {
		if _, said := nextTold(t, stream); said.Percent == 30 && said.Message == "begun" {
			break
		}
	}
	if !signed.Load() {
		t.Error("what was posted is not signed as it should be")
	}
	d.Must(t, "POST", "/v1/jobs/run", tenant.Key, map[string]any{"endpoint": slow.ID}).Want(t, 201).JSON(t, &late)
	slowly := d.MustSubscribe(t, late.Token, "", nil, late.Channel)
	release <- struct{}{}
	release <- struct{}{}
	var lines []string
	for {
		kind, said := nextTold(t, stream)
		if lines = append(lines, said.Lines...); said.State == "running" {
			continue
		}
		if kind != "job.completed" || string(said.Result) != `{"file":"2026.zip"}` || len(lines) != 1 || lines[0] != "read 3 rows" {
			t.Errorf("it ends with %s %+v, and the log is %q", kind, said, lines)
		}
		break
	}
	for {
		if _, said := nextTold(t, slowly); said.State != "running" {
			if said.State != "completed" || string(said.Result) != `{"rows":3}` {
				t.Errorf("the slow one ends with %+v", said)
			}
			break
		}
	}
	d.Must(t, "POST", "/v1/jobs/run", tenant.Key, map[string]any{"endpoint": "end_00000000000000000000000000"}).Want(t, 404)
}
