package endtoend

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// Trace is the recorded path of an event.
type Trace struct {
	Traced      bool
	Hops        []TraceHop
	NotRecorded []string `json:"not_recorded"`
	Total       int64    `json:"total_ms"`
}

// TraceHop is one step of a Trace.
type TraceHop struct {
	Hop         string
	At          *time.Time
	Until       *time.Time
	Since       *int64 `json:"since_previous_ms"`
	Scheme      string
	Age         *float64 `json:"signature_age_seconds"`
	SecretID    string   `json:"secret_id"`
	DeliveryID  string   `json:"delivery_id"`
	Channel     string
	Seq         int64
	Nodes       []string
	Node        string
	Subscribers int
	Connections int
	Bytes       int64
	Hidden      []struct {
		Fields      []string
		Connections int
		Rows        []struct{ Index int }
	}
	Endpoint string
	State    string
	Attempts []struct {
		At     time.Time
		Took   int64 `json:"took_ms"`
		Status int
	}
}

func (v Trace) names() (names []string) {
	for _, h := range v.Hops {
		names = append(names, h.Hop)
	}
	return names
}

// sum adds up of(h) over all hops of that name.
func (v Trace) sum(hop string, of func(TraceHop) int) (n int) {
	for _, h := range v.Hops {
		if h.Hop == hop {
			n += of(h)
		}
	}
	return n
}

// checkTimes checks a trace's times against each other, and against the interval in which the test ran.
func (v Trace) checkTimes(t *testing.T, from, to time.Time) {
	t.Helper()
	var before time.Time
	var sum int64
	for _, h := range v.Hops {
		switch {
		case h.At == nil || h.Since == nil:
			t.Fatalf("%s has no time", h.Hop)
		case h.At.Before(from.Truncate(time.Millisecond)) || h.At.After(to) ||
			h.Until != nil && (h.Until.Before(*h.At) || h.Until.After(to)):
			t.Errorf("%s lasted from %v to %v, outside of the test, which ran from %v to %v", h.Hop, h.At, h.Until,
				from, to)
		case before.IsZero() && *h.Since != 0, !before.IsZero() &&
			h.At.Sub(before).Milliseconds() != *h.Since, *h.Since < 0:
			t.Errorf("%s is at %v, which is not %d ms after %v", h.Hop, h.At, *h.Since, before)
		}
		before, sum = *h.At, sum+*h.Since
	}
	if all := before.Sub(*v.Hops[0].At).Milliseconds(); sum != v.Total || all != v.Total {
		t.Errorf("the hops add up to %d ms, the last is %d ms after the first, and the total is %d ms", sum,
			all, v.Total)
	}
}

// traceOf requests an event's trace, and checks that it contains none of the secrets.
func (d Deployment) traceOf(t *testing.T, by Tenant, event string, secrets []string) (v Trace) {
	t.Helper()
	a := d.Must(t, "GET", "/v1/events/"+event+"/trace", by.Key, nil).Want(t, 200)
	a.wantNoSecret(t, secrets)
	a.JSON(t, &v)
	return v
}

// wantNoSecret checks that an answer contains none of the secrets.
func (a Answer) wantNoSecret(t *testing.T, secrets []string) {
	t.Helper()
	for i, secret := range secrets {
		if secret == "" || strings.Contains(string(a.Body), secret) {
			t.Errorf("the answer contains secret %d: %s", i, a.Body)
		}
	}
}

// traces follows one webhook over all its hops, and asks why subjects did or did not get an event.
func traces(t *testing.T, d Deployment, _ string) {
	const canary = "canary-5d1c07e2"
	began := time.Now()
	tenant := d.Signup(t, "traces")
	source := d.GitHubSource(t, tenant, "orders")
	unseen := d.mustPost(t, source, "d-0", []byte(`{"n":0}`), 202)
	awaitEvents(t, d, tenant, "orders", 1)

	receiver := StartReceiver(t, flakyAnswer())
	endpoint := d.Endpoint(t, tenant, receiver.URL+"/traced", map[string]any{"channels": []string{"orders"}})
	d.setPolicy(t, tenant, "*", row{"subject": "role:viewer", "object": "field:password", "action": "read",
		"effect": "deny", "channel": "orders"})
	d.Must(t, "PUT", "/v1/trace", tenant.Key, map[string]any{"enabled": true, "minutes": 10}).Want(t, 200)
	token := d.Token(t, tenant, "ann", "orders")
	ann := d.MustSubscribe(t, token, "", nil, "orders")
	d.MustSubscribe(t, d.Token(t, tenant, "cid", "orders"), "", nil, "orders")
	secrets := []string{canary, tenant.Key, source.Secret, source.URL[strings.LastIndexByte(source.URL, '/')+1:],
		endpoint.Secret, token, "sha256="}
	var post Accepted
	var last Trace
	seq := int64(1)
	untold := func() bool { // a node may read the log on its own before it is told
		names := last.names()
		return slices.Contains(names, "fanned_out") &&
			slices.Index(names, "written") < slices.Index(names, "fanned_out") && slices.Contains(names, "written")
	}
	await(t, "a trace of all hops", func() Trace { // a process may use a switch that it read up to 5 s ago
		if !last.Traced || untold() {
			seq++
			post = d.mustPost(t, source, fmt.Sprint("d-", seq),
				[]byte(`{"password":"`+canary+`","seq":`+fmt.Sprint(seq)+`}`), 202)
			await(t, "the event", func() []Event {
				return d.History(t, tenant, "orders")
			}, func(list []Event) bool { return len(list) == int(seq) })
		}
		last = d.traceOf(t, tenant, post.ID, secrets)
		return last
	}, func(v Trace) bool {
		given := v.sum("written", func(h TraceHop) int { return h.Connections })
		delivered := v.sum("delivery", func(h TraceHop) int { return len(h.Attempts) })
		return v.Traced && len(v.NotRecorded) == 0 && given >= 2 && delivered >= 1 && !untold()
	})
	last.checkTimes(t, began, time.Now())

	last.checkHops(t, seq, endpoint)

	dark := d.traceOf(t, tenant, unseen.ID, secrets)
	if dark.Traced || !slices.Equal(dark.names(), []string{"received", "verified", "appended"}) ||
		!slices.Contains(dark.NotRecorded, "written") {
		t.Errorf("the trace of an event before tracing was on is %+v", dark)
	}
	d.traceReasons(t, tenant, ann, seq, secrets)
	d.traceJob(t, tenant, secrets)
}

// checkHops checks the hops of event seq of orders, which was delivered to the endpoint and to two connections that
// do not see its password.
func (v Trace) checkHops(t *testing.T, seq int64, endpoint Endpoint) {
	t.Helper()
	// The hops follow each other, except for the delivery, which is independent of the others after the log.
	names := slices.DeleteFunc(v.names(), func(name string) bool { return name == "delivery" })
	want := []string{"received", "verified", "enqueued", "appended", "fanned_out", "written"}
	if len(names) < 7 || !slices.Equal(names[:6], want) {
		t.Errorf("the hops are %v", names)
	}
	nodes, concealed := make(map[string]bool), 0
	for _, h := range v.Hops {
		switch h.Hop {
		case "received":
			if h.DeliveryID != fmt.Sprint("d-", seq) {
				t.Errorf("unexpected hop %+v", h)
			}
		case "verified":
			if h.Scheme != "github" || h.SecretID == "" || h.Age != nil { // GitHub signs no time
				t.Errorf("unexpected hop %+v", h)
			}
		case "appended":
			if h.Channel != "orders" || h.Seq != seq {
				t.Errorf("unexpected hop %+v", h)
			}
		case "fanned_out":
			for _, n := range h.Nodes {
				nodes[n] = true
			}
		case "written":
			if !nodes[h.Node] || h.Bytes == 0 || h.Subscribers < h.Connections {
				t.Errorf("unexpected hop %+v; the nodes of fanned_out are %v", h, nodes)
			}
			delete(nodes, h.Node)
		case "filtered":
			if len(h.Hidden) != 1 || !slices.Equal(h.Hidden[0].Fields, []string{"password"}) ||
				len(h.Hidden[0].Rows) != 1 || h.Hidden[0].Rows[0].Index != 0 {
				t.Fatalf("unexpected hop %+v", h)
			}
			concealed += h.Hidden[0].Connections
		case "delivery":
			if h.Endpoint != endpoint.ID || h.State != "delivered" || len(h.Attempts) != 1 ||
				h.Attempts[0].Status != 200 || h.Attempts[0].Took < 0 {
				t.Errorf("unexpected hop %+v", h)
			}
		case "enqueued":
		default:
			t.Errorf("unexpected hop %+v", h)
		}
	}
	if len(nodes) > 0 {
		t.Errorf("nodes of fanned_out that have written nothing: %v", nodes)
	}
	if concealed != 2 {
		t.Errorf("the field was hidden from %d connections, want 2", concealed)
	}
}
