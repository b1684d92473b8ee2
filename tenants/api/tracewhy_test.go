package api_test

import (
	"slices"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/trace"
)

func (w *world) why(of tenant, body map[string]any) answer {
	w.t.Helper()
	return w.do("POST", "/v1/trace/why", of.key, body).want(200)
}

func TestWhySaysWhyASubjectDidNotGetAnEvent(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	tracer := trace.NewTracer(w.table, nil)
	before := time.Now()
	w.do("PUT", "/v1/trace", ten.key, `{"enabled":true}`).want(200)
	id := w.publish(ten, "orders", `{"n":1}`)
	for range 8 {
		w.publish(ten, "orders", `{"n":2}`)
	}
	after := time.Now()
	record := func(id, subject, ended string, opened, at time.Time, position int64) {
		tracer.Session(tenants.TenantID(ten.id), subject,
			trace.Session{Connection: id, Node: "nod_1", At: at, Opened: opened,
				Ended: ended, Transport: "sse", Channels: []string{"news", "orders"}, Positions: []int64{-1, position}})
	}
	session := func(subject, ended string, opened, at time.Time, position int64) {
		record(tenants.NewID(tenants.PrefixConnection), subject, ended, opened, at, position)
	}
	late := func(subject string, from, to int64) { // opened after all events
		id := tenants.NewID(tenants.PrefixConnection)
		record(id, subject, "", after, after, from)
		record(id, subject, "left", after, after.Add(time.Millisecond), to)
	}
	session("cut", "backlog", before, after, 4)
	session("early", "left", before.Add(-time.Minute), before, 0)
	session("had", "left", before, after, 9)
	session("other", "left", before, after, 9)
	late("latecomer", 9, 9)
	late("shown", 8, 9) // the last event was a snapshot
	late("resumed", 2, 6)
	late("gone", -1, -1)
	tracer.Flush(t.Context())
	w.hub.open(ten, "open", "orders") // at position 7

	for _, c := range []struct {
		subject string
		seq     int
		want    string
	}{
		{"open", 10, "not_published"}, {"cut", 5, "cut"}, {"cut", 4, "written"}, {"had", 9, "written"},
		{"early", 1, "not_connected"}, {"nobody", 3, "not_connected"},
		{"open", 9, "behind"}, {"open", 7, "not_recorded"},
		{"latecomer", 9, "connected_later"}, {"shown", 9, "written"}, {"shown", 8, "connected_later"},
		{"resumed", 2, "connected_later"}, {"resumed", 3, "written"},
		{"resumed", 7, "cut"}, {"gone", 9, "connected_later"},
	} {
		a := w.why(ten, map[string]any{"subject": c.subject, "channel": "orders", "seq": c.seq})
		if a.get("verdict") != c.want {
			t.Errorf("%s, %d: %s, want %s", c.subject, c.seq, a.body, c.want)
		}
	}
	if a := w.why(ten, map[string]any{"subject": "user:cut", "channel": "orders", "seq": 5}); a.get("connections",
		0, "ended") != "backlog" || a.get("connections", 0, "position") != "4" {
		t.Errorf("got %s, want connections.0.ended backlog, connections.0.position 4", a.body)
	}
	if a := w.why(ten, map[string]any{"subject": "had", "event": id}); a.get("verdict") != "written" ||
		a.get("hint") == "" || a.get("event", "id") != id {
		t.Errorf("got %s, want verdict written, a hint, event.id %v", a.body, id)
	}
	w.setPolicy(ten, right("role:viewer", "channel:news", "read", "allow"),
		right("user:nobody", "channel:orders", "subscribe", "deny"))
	a := w.why(ten, map[string]any{"subject": "nobody", "channel": "orders", "seq": 3})
	if a.get("verdict") != "denied" || a.get("policy", "row", "index") != "1" {
		t.Errorf("got %s, want verdict denied, policy.row.index 1", a.body)
	}
	w.do("DELETE", "/v1/channels/orders", ten.key, nil).want(204)
	a = w.why(ten, map[string]any{"subject": "early", "channel": "orders", "seq": 3})
	if a.get("verdict") != "below_floor" {
		t.Errorf("got %s, want verdict below_floor", a.body)
	}
	for _, bad := range []map[string]any{
		{}, {"subject": "a"}, {"subject": "role:viewer", "channel": "a", "seq": 1},
		{"subject": "a", "channel": "a", "seq": 0}, {"subject": "a", "channel": "a b", "seq": 1},
		{"subject": "a", "event": "x"}, {"subject": "a", "event": id, "seq": 1}, {"subject": "a", "channel": "a"},
	} {
		w.do("POST", "/v1/trace/why", ten.key, bad).want(422, "invalid_fields")
	}
	other := w.tenant("Other")
	w.do("POST", "/v1/trace/why", other.key, map[string]any{"subject": "had", "event": id}).want(404, "event_not_found")
	a = w.why(other, map[string]any{"subject": "had", "channel": "orders", "seq": 1})
	if a.get("verdict") != "not_published" {
		t.Errorf("got %s, want verdict not_published", a.body)
	}
}

// Connections opened at the same time are listed in the order of their ids, so that the detail is always about the same
// one.
func TestWhyListsConnectionsInOneOrder(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	tracer := trace.NewTracer(w.table, nil)
	opened := time.Now().Add(-time.Second)
	for range 8 {
		w.publish(ten, "orders", "1")
	}
	var want []string
	for range 8 {
		id := tenants.NewID(tenants.PrefixConnection)
		want = append(want, id)
		tracer.Session(tenants.TenantID(ten.id), "alice",
			trace.Session{Connection: id, Node: "nod_1", At: time.Now(), Opened: opened,
				Ended: "left", Transport: "sse", Channels: []string{"orders"}, Positions: []int64{8}})
	}
	slices.Sort(want)
	tracer.Flush(t.Context())
	for range 5 {
		a := w.why(ten, map[string]any{"subject": "alice", "channel": "orders", "seq": 8})
		for i, id := range want {
			if got := a.get("connections", i, "id"); got != id {
				t.Fatalf("connection %d is %s, want %s: %s", i, got, id, a.body)
			}
		}
	}
}
