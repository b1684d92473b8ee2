package api_test

import (
	"strings"
	"testing"

	"github.com/hookcast/hookcast/tenants/job"
)

// job makes a job and returns its id, its token and the path of its report URL.
func (w *world) job(by tenant, body any) (id, token, report string) {
	w.t.Helper()
	made := w.do("POST", "/v1/jobs", by.key, body).want(201)
	w.keep(made.get("report_url"))
	w.keep(strings.TrimPrefix(made.get("report_url"), publicURL+"/v1/reports/"))
	return made.get("id"), made.get("token"), strings.TrimPrefix(made.get("report_url"), publicURL)
}

func TestJobIsReportedOnWithAKey(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	id, _, _ := w.job(ten, `{"name":"Export","timeout_seconds":60}`)
	path := "/v1/jobs/" + id
	a := w.do("POST", path+"/progress", ten.key, `{"percent":12.5,"step":"rows","message":"first"}`).want(200)
	if a.get("percent") != "12.5" || a.get("subscribers") != "3" {
		t.Errorf("reported: %s, want percent 12.5, subscribers 3", a.body)
	}
	w.do("POST", path+"/log", ten.key, `{"lines":["a\u0007","b"]}`).want(200)
	w.do("POST", path+"/complete", ten.key, `{"result":{"rows":3}}`).want(200)
	w.do("POST", path+"/complete", ten.key, `{"result":{"rows":3}}`).want(200)
	w.do("POST", path+"/complete", ten.key, `{"result":4}`).want(409, "job_ended")
	w.do("POST", path+"/progress", ten.key, `{"percent":99}`).want(409, "job_ended")
	w.do("POST", path+"/cancel", ten.key, nil).want(200)
	got := w.do("GET", path, ten.key, nil).want(200)
	if got.get("state") != "completed" || got.get("result", "rows") != "3" || got.get("name") != "Export" ||
		got.get("timeout_seconds") != "60" {
		t.Errorf("the job is %s, want state completed, result.rows 3, name Export, timeout_seconds 60", got.body)
	}
	if list := w.do("GET", "/v1/jobs", ten.key, nil).want(200); list.get("data", 0, "id") != id ||
		strings.Contains(string(list.body), "rows\":3") {
		t.Errorf(`the list is %s, want data.0.id %v, the body without rows`, list.body, id)
	}
	w.pump()
	h := w.do("GET", "/v1/channels/jobs."+id+"/events?limit=100", ten.key, nil).want(200)
	if n := strings.Count(string(h.body), `"type":"job.completed"`); n != 1 {
		t.Errorf("%d ends in %s, want 1", n, h.body)
	}
	if ch := w.do("GET", "/v1/channels/jobs."+id, ten.key, nil).want(200); ch.get("ended") != "true" {
		t.Errorf("the channel is %s, want ended true", ch.body)
	}
}

func TestJobIsReportedOnByItsURLAlone(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	id, _, report := w.job(ten, nil)
	w.do("POST", report, "", `{}`).want(200)
	w.do("POST", report, "", `{"percent":50,"lines":["half"]}`).want(200)
	w.do("POST", report, "", `{"result":1,"error":"x"}`).want(422, "invalid_fields")
	w.do("POST", report, "", `{"error":{"code":"no_rows","message":"There is nothing."}}`).want(200)
	w.do("POST", report, "", `{"result":null}`).want(409, "job_ended")
	got := w.do("GET", "/v1/jobs/"+id, ten.key, nil).want(200)
	if got.get("state") != "failed" || got.get("error", "code") != "no_rows" || got.get("percent") != "50" {
		t.Errorf("the job is %s, want state failed, error.code no_rows, percent 50", got.body)
	}
	w.do("POST", "/v1/reports/rpt_"+strings.Repeat("0", 84), "", `{}`).want(404, "job_not_found")
	w.do("POST", altered(report), "", `{}`).want(404, "job_not_found")

	other, _, _ := w.job(ten, nil)
	w.do("POST", "/v1/tenants/"+ten.id+"/suspend", w.operator, nil).want(200)
	w.do("POST", report, "", `{}`).want(403, "tenant_suspended")
	w.do("POST", "/v1/tenants/"+ten.id+"/resume", w.operator, nil).want(200)
	if got := w.do("POST", "/v1/jobs/"+other+"/cancel", ten.key, nil).want(200); got.get("error",
		"code") != "canceled" {
		t.Errorf("canceled: %s, want error.code canceled", got.body)
	}
}

// The attack: a publisher without the right to read uses a job's token to read a channel.
func TestJobInAChannelOfAnothersNeedsTheRightToIt(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	_, publisher := w.key(ten, "publisher")
	_, viewer := w.key(ten, "viewer")
	w.do("POST", "/v1/jobs", publisher, `{"channel":"orders"}`).want(403, "forbidden")
	made := w.do("POST", "/v1/jobs", publisher, `{}`).want(201)
	w.do("POST", "/v1/jobs/"+made.get("id")+"/progress", publisher, `{"percent":1}`).want(200)
	w.do("POST", "/v1/jobs", viewer, `{}`).want(403, "forbidden")
	w.do("GET", "/v1/jobs", viewer, nil).want(403, "forbidden")
	w.do("POST", "/v1/jobs", ten.key, `{"channel":"orders"}`).want(201)
	w.do("POST", "/v1/jobs", ten.key, `{"channel":"orders"}`).want(409, "job_channel_taken")
	w.do("POST", "/v1/jobs", ten.key, `{"channel":"Orders"}`).want(422, "invalid_channel")

	token := made.get("token")
	w.pump()
	w.do("GET", "/v1/channels/"+made.get("channel")+"/events", token, nil).want(200)
	w.do("GET", "/v1/channels/orders/events", token, nil).want(403, "forbidden")
	w.do("POST", "/v1/channels/"+made.get("channel")+"/events", ten.key,
		`{"type":"job.completed","data":1,"end":true}`).want(422, "reserved_channel")
}

func TestJobIsRunByWhoMayHaveTheEndpointPostedTo(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	_, publisher := w.key(ten, "publisher")
	e := w.do("POST", "/v1/endpoints", ten.key, `{"name":"worker","url":"https://hooks.example.com/"}`).want(201)
	run := `{"endpoint":"` + e.get("id") + `","data":[1]}`
	w.do("POST", "/v1/jobs/run", publisher, run).want(403, "forbidden")
	w.do("POST", "/v1/jobs/run", ten.key, run).want(409, "endpoint_not_enabled")
	w.enable(ten, e.get("id"), 200)
	job := w.do("POST", "/v1/jobs/run", ten.key, run).want(201)
	if got := w.do("GET", "/v1/jobs/"+job.get("id"), ten.key, nil).want(200); got.get("state") != "running" {
		t.Errorf("the job is %s, want state running", got.body)
	}
	w.do("POST", "/v1/jobs/run", ten.key, `{}`).want(422, "invalid_fields")
	w.do("POST", "/v1/jobs/run", ten.key, `{"endpoint":"x"}`).want(404, "endpoint_not_found")
	w.do("POST", "/v1/jobs/run", ten.key, `{"endpoint":"`+e.get("id")+`","timeout_seconds":901}`).want(422,
		"invalid_timeout")
}

func TestJobIsMadeOnceForAnIdempotencyKey(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	first := w.do("POST", "/v1/jobs", ten.key, `{}`, "Idempotency-Key", "one").want(201)
	again := w.do("POST", "/v1/jobs", ten.key, `{}`, "Idempotency-Key", "one").want(201)
	if first.get("id") != again.get("id") || strings.Contains(string(again.body), "report_url") ||
		strings.Contains(string(again.body), `"token"`) {
		t.Errorf(`again: %s, want id %v, the body without report_url, the body without "token"`, again.body,
			again.get("id"))
	}
	if a := w.do("GET", "/v1/audit-log", ten.key, nil).want(200); !strings.Contains(string(a.body),
		`"action":"job.create","object":"`+first.get("id")+`"`) {
		t.Errorf("the audit log has %s, want the body containing %v", a.body,
			`"action":"job.create","object":"`+first.get("id")+`"`)
	}
}

func TestJobFieldsThatAreNoneAreRefused(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	id, _, _ := w.job(ten, nil)
	for body, path := range map[string]string{
		`{"percent":"40"}`: "progress", `{"percent":101}`: "progress", `{"percent":1e999}`: "progress",
		`{"step":"a\u0000"}`: "progress", `{"lines":"x"}`: "log", `{"lines":[null]}`: "log",
		`{}`: "log", `{"error":{}}`: "fail", `{"error":7}`: "fail", `{"error":{"message":"x","stack":"y"}}`: "fail",
		`{"outcome":1}`: "complete",
	} {
		w.do("POST", "/v1/jobs/"+id+"/"+path, ten.key, body).want(422, "invalid_fields")
	}
	w.do("POST", "/v1/jobs", ten.key, `{"timeout_seconds":0}`).want(422, "invalid_fields")
	w.do("POST", "/v1/jobs/"+id+"/complete", ten.key,
		`{"result":"`+strings.Repeat("x", job.MaxResult)+`"}`).want(413, "job_result_too_large")
}
