package api_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/trace"
)

// traced is a decoded trace.
type traced struct {
	Traced bool
	Hops   []struct {
		Hop         string
		At          *time.Time
		Since       *int64  `json:"since_previous_ms"`
		Age         float64 `json:"signature_age_seconds"`
		Scheme      string
		SecretID    string `json:"secret_id"`
		DeliveryID  string `json:"delivery_id"`
		Seq         int64
		Nodes       []string
		Node        string
		Connections int
		Bytes       int64
		Reasons     map[string]int
		Hidden      []struct {
			Fields      []string
			Connections int
			Rows        []struct{ Index int }
		}
		Denied []struct {
			Subject string
			Policy  struct {
				Allowed bool
				Row     struct{ Index int }
			}
		}
		Endpoint string
		Delivery string
		State    string
		Attempts []struct{ Status int }
	}
	NotRecorded []string `json:"not_recorded"`
	Total       int64    `json:"total_ms"`
}

func (v traced) names() string {
	var names []string
	for _, h := range v.Hops {
		names = append(names, h.Hop)
	}
	return strings.Join(names, " ")
}

func (w *world) traceOf(of tenant, event string) (v traced) {
	w.t.Helper()
	a := w.do("GET", "/v1/events/"+event+"/trace", of.key, nil).want(200)
	w.must(json.Unmarshal(a.body, &v))
	var sum int64
	for _, h := range v.Hops {
		if h.At != nil {
			sum += *h.Since
		}
	}
	if sum != v.Total {
		w.t.Errorf("the times between hops add up to %d ms, want %d", sum, v.Total)
	}
	return v
}

// trace makes the appender record its hops.
func (w *world) trace() (flush func()) {
	w.appender.Tracer = trace.NewTracer(w.table, nil)
	return func() { w.appender.Tracer.Flush(w.t.Context()) }
}

func TestTracingIsATenantsSwitchThatTurnsItselfOff(t *testing.T) {
	w := newWorld(t)
	ten, other := w.tenant("Acme"), w.tenant("Other")
	off := `{"enabled":false,"sample":null,"since":null,"until":null}`
	if a := w.do("GET", "/v1/trace", ten.key, nil).want(200); strings.TrimSpace(string(a.body)) != off {
		t.Errorf("at first: %s, want %s", a.body, off)
	}
	before := time.Now()
	a := w.do("PUT", "/v1/trace", ten.key, `{"enabled":true,"sample":0.25,"minutes":15}`).want(200)
	until, err := time.Parse(time.RFC3339, a.get("until"))
	if err != nil || until.Before(before.Add(15*time.Minute-time.Second)) ||
		until.After(time.Now().Add(15*time.Minute)) || a.get("sample") != "0.25" {
		t.Errorf("%v, got %s, want sample 0.25 for 15 minutes", err, a.body)
	}
	a = w.do("PUT", "/v1/trace", ten.key, `{"enabled":true}`).want(200)
	if until, _ := time.Parse(time.RFC3339, a.get("until")); until.After(time.Now().Add(time.Hour)) ||
		a.get("sample") != "1" {
		t.Errorf("got %s, want sample 1 for at most an hour", a.body)
	}
	for _, bad := range []string{`{}`, `{"enabled":1}`, `{"enabled":true,"sample":0}`, `{"enabled":true,"sample":1.01}`,
		`{"enabled":true,"sample":"1"}`, `{"enabled":true,"sample":1e400}`,
		`{"enabled":true,"minutes":0}`, `{"enabled":true,"minutes":61}`, `{"enabled":true,"until":"x"}`} {
		w.do("PUT", "/v1/trace", ten.key, bad).want(422, "invalid_fields")
	}
	if a := w.do("GET", "/v1/trace", other.key, nil).want(200); strings.TrimSpace(string(a.body)) != off {
		t.Errorf("another tenant's: %s, want %s", a.body, off)
	}
	if a := w.do("GET", "/v1/audit-log", ten.key, nil).want(200); a.get("data", 0, "action") != "trace.set" {
		t.Errorf("got %s, want data.0.action trace.set", a.body)
	}
	w.do("PUT", "/v1/trace", ten.key, `{"enabled":false}`).want(200)
	if a := w.do("GET", "/v1/trace", ten.key, nil).want(200); strings.TrimSpace(string(a.body)) != off {
		t.Errorf("turned off: %s, want %s", a.body, off)
	}
	_, viewer := w.key(ten, "viewer")
	_, admin := w.key(ten, "admin")
	w.do("GET", "/v1/trace", admin, nil).want(200)
	for _, c := range []struct{ method, path, body string }{{"GET", "/v1/trace", ""},
		{"PUT", "/v1/trace", `{"enabled":true}`}, {"POST", "/v1/trace/why", `{"subject":"a","channel":"a","seq":1}`}} {
		var body any
		if c.body != "" {
			body = c.body
		}
		w.do(c.method, c.path, viewer, body).want(403)
	}
}

func TestWhatIsKnownOfAnEventShowsWithoutATrace(t *testing.T) {
	w := newWorld(t)
	ten, other := w.tenant("Acme"), w.tenant("Other")
	flush := w.trace()
	id := w.publish(ten, "orders", `{"n":1}`)
	flush()
	v := w.traceOf(ten, id)
	if v.Traced || v.names() != "received appended" || v.Hops[0].At == nil || v.Hops[1].At != nil ||
		v.Hops[1].Seq != 1 ||
		strings.Join(v.NotRecorded, " ") != "enqueued appended fanned_out written cut filtered" {
		t.Errorf("got %+v, want received and appended, the rest not recorded", v)
	}
	rows, err := w.table.Query(t.Context(), tenants.Range{Tenant: tenants.TenantID(ten.id),
		Kind: tenants.Kind("trace/" + id), Limit: 10})
	if err != nil || len(rows) != 0 {
		t.Errorf("with tracing off there are %d rows, %v, want 0", len(rows), err)
	}
	w.do("GET", "/v1/events/"+id+"/trace", other.key, nil).want(404, "event_not_found")
	w.do("GET", "/v1/events/"+altered(id)+"/trace", ten.key, nil).want(404, "event_not_found")
}

func TestATraceOfAWebhookHasNoPayloadAndNoSecret(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	flush := w.trace()
	w.do("PUT", "/v1/trace", ten.key, `{"enabled":true}`).want(200)
	const canary = "canary-7f3a9d2e-secret"
	w.keep(canary)
	id := w.publish(ten, "orders", `{"password":"`+canary+`"}`)
	flush()
	v := w.traceOf(ten, id)
	if !v.Traced || v.names() != "received enqueued appended fanned_out" || len(v.NotRecorded) != 0 {
		t.Errorf("got %+v, want the hops received, enqueued, appended and fanned_out", v)
	}
	for _, h := range v.Hops {
		if h.At == nil {
			t.Errorf("%s has no time, want one", h.Hop)
		}
	}
	rows, err := w.table.Query(t.Context(), tenants.Range{Tenant: tenants.TenantID(ten.id),
		Kind: tenants.Kind("trace/" + id), Limit: 10})
	if err != nil || len(rows) != 2 {
		t.Fatalf("%d rows, %v, want 2", len(rows), err)
	}
	for _, row := range rows {
		if strings.Contains(string(row.Body), canary) || row.Expires.IsZero() ||
			row.Expires.After(time.Now().Add(24*time.Hour+time.Second)) {
			t.Errorf("the row is %s until %v, want no payload and at most 24 hours", row.Body, row.Expires)
		}
	}
	if a := w.do("GET", "/v1/events/"+id+"/trace", ten.key, nil).want(200); strings.Contains(string(a.body), canary) {
		t.Errorf("got %s, want the body without %v", a.body, canary)
	}
}
