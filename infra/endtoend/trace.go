package endtoend

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

// Trace is an event's way.
type Trace struct {
	Traced bool
	Hops   []struct {
		Hop         string
		At          *time.Time
		Since       int64 `json:"since_previous_ms"`
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
	}
	NotRecorded []string `json:"not_recorded"`
	Total       int64    `json:"total_ms"`
}

func (v Trace) names() (names []string) {
	for _, h := range v.Hops {
		names = append(names, h.Hop)
	}
	return names
}

// traces follows one webhook over all its hops, and asks of three people why they have it or not.
func traces(t *testing.T, d Deployment, _ string) {
	const canary = "canary-5d1c07e2"
	tenant := d.Signup(t, "traces")
	source := d.GitHubSource(t, tenant, "orders")
	unseen := d.mustPost(t, source, "d-0", []byte(`{"n":0}`), 202)
	awaitEvents(t, d, tenant, "orders", 1)

	d.Must(t, "PUT", "/v1/trace", tenant.Key, map[string]any{"enabled": true, "minutes": 10}).Want(t, 200)
	ann := d.MustSubscribe(t, d.Token(t, tenant, "ann", "orders"), "", nil, "orders")
	d.MustSubscribe(t, d.Token(t, tenant, "cid", "orders"), "", nil, "orders")
	var post Accepted
	var last Trace
	seq := int64(1)
	await(t, "a trace of all hops", func() Trace { // a process may go by what it has read of the switch 5 s ago
		if !last.Traced {
			seq++
			post = d.mustPost(t, source, "d-"+time.Now().String(), []byte(`{"password":"`+canary+`"}`), 202)
			awaitEvents(t, d, tenant, "orders", int(seq))
		}
		a := d.Must(t, "GET", "/v1/events/"+post.ID+"/trace", tenant.Key, nil).Want(t, 200)
		if last = (Trace{}); json.Unmarshal(a.Body, &last) != nil || strings.Contains(string(a.Body), canary) {
			t.Fatalf("%s", a.Body)
		}
		return last
	}, func(v Trace) bool {
		given := 0
		for _, h := range v.Hops {
			given += h.Connections
		}
		return v.Traced && len(v.NotRecorded) == 0 && given >= 2
	})

	names := last.names()
	if len(names) < 6 || !slices.Equal(names[:5], []string{"received", "verified", "enqueued", "appended", "fanned_out"}) {
		t.Errorf("the hops are %v", names)
	}
	var before time.Time
	var sum int64
	nodes := make(map[string]bool)
	for _, h := range last.Hops {
		if h.At == nil || h.At.Before(before) {
			t.Fatalf("%s is at %v, behind %v", h.Hop, h.At, before)
		}
		before, sum = *h.At, sum+h.Since
		switch h.Hop {
		case "received":
			if h.DeliveryID == "" {
				t.Errorf("%+v", h)
			}
		case "verified":
			if h.Scheme != "github" || h.SecretID == "" {
				t.Errorf("%+v", h)
			}
		case "appended":
			if h.Channel != "orders" || h.Seq != seq {
				t.Errorf("%+v", h)
			}
		case "fanned_out":
			for _, n := range h.Nodes {
				nodes[n] = true
			}
		case "written":
			if !nodes[h.Node] || h.Bytes == 0 {
				t.Errorf("%+v, told were %v", h, nodes)
			}
			delete(nodes, h.Node)
		}
	}
	if len(nodes) > 0 {
		t.Errorf("nodes were told and have written nothing: %v", nodes)
	}
	if sum != last.Total || last.Total != before.Sub(*last.Hops[0].At).Milliseconds() {
		t.Errorf("the hops add up to %d ms of %d", sum, last.Total)
	}

	var dark Trace
	d.Must(t, "GET", "/v1/events/"+unseen.ID+"/trace", tenant.Key, nil).Want(t, 200).JSON(t, &dark)
	if dark.Traced || !slices.Equal(dark.names(), []string{"received", "verified", "appended"}) || !slices.Contains(dark.NotRecorded, "written") {
		t.Errorf("without a trace: %+v", dark)
	}

	why := func(subject string, seq int64) string {
		var v struct{ Verdict string }
		a := d.Must(t, "POST", "/v1/trace/why", tenant.Key, map[string]any{"subject": subject, "channel": "orders", "seq": seq}).Want(t, 200)
		a.JSON(t, &v)
		if strings.Contains(string(a.Body), canary) {
			t.Errorf("%s", a.Body)
		}
		return v.Verdict
	}
	for _, c := range []struct {
		subject string
		seq     int64
		want    string
	}{{"cid", seq, "written"}, {"cid", seq + 1, "not_published"}, {"cid", 1, "connected_later"}, {"ben", seq, "not_connected"}} {
		if got := why(c.subject, c.seq); got != c.want {
			t.Errorf("why has %s not got %d: %s, want %s", c.subject, c.seq, got, c.want)
		}
	}
	ann.Close()
	await(t, "ann's end in the record", func() string { return why("ann", seq) }, func(v string) bool { return v == "written" })
	d.publish(t, tenant, "orders", 7, 7)
	awaitEvents(t, d, tenant, "orders", int(seq+1))
	await(t, "that ann was not there", func() string { return why("ann", seq+1) }, func(v string) bool { return v == "not_connected" })
}
