package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// exported returns the numbers of the exported events and the cursor of the next part.
func exported(t *testing.T, a answer) (seqs []int, next string) {
	t.Helper()
	if a.header.Get("Content-Type") != "application/x-ndjson" || !strings.HasSuffix(string(a.body), "\n") {
		t.Fatalf("%v %.300s, want Content-Type application/x-ndjson, a line break at the end", a.header, a.body)
	}
	lines := strings.Split(strings.TrimSuffix(string(a.body), "\n"), "\n")
	for i, line := range lines {
		var l struct {
			Seq  int
			Next *string `json:"next_cursor"`
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if i == len(lines)-1 {
			if l.Seq != 0 || !strings.Contains(line, "next_cursor") {
				t.Fatalf("the last line is %s, want next_cursor alone", line)
			}
			if l.Next != nil {
				next = *l.Next
			}
			break
		}
		seqs = append(seqs, l.Seq)
	}
	return seqs, next
}

func TestAChannelIsExportedAsLines(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	for n := range 5 {
		w.publish(ten, "orders", fmt.Sprintf(`{"n":%d}`, n))
	}
	a := w.do("GET", "/v1/channels/orders/export", ten.key, nil).want(200)
	if seqs, next := exported(t, a); fmt.Sprint(seqs) != "[1 2 3 4 5]" || next != "" ||
		a.header.Get("Content-Disposition") != `attachment; filename="orders.ndjson"` {
		t.Errorf("events %v, next cursor %q, headers %v; want [1 2 3 4 5], none and orders.ndjson", seqs, next,
			a.header)
	}
	history := w.do("GET", "/v1/channels/orders/events?limit=1", ten.key, nil).want(200)
	if first, _, _ := strings.Cut(string(a.body), "\n"); !strings.Contains(string(history.body), first) {
		t.Errorf("the history is %s, want the line %s in it", history.body, first)
	}
	if seqs, _ := exported(t, w.do("GET", "/v1/channels/orders/export?after=3", ten.key,
		nil).want(200)); fmt.Sprint(seqs) != "[4 5]" {
		t.Errorf("after 3: %v, want [4 5]", seqs)
	}
	for _, after := range []string{"5", "9"} {
		if seqs, next := exported(t, w.do("GET", "/v1/channels/orders/export?after="+after, ten.key,
			nil).want(200)); seqs != nil || next != "" {
			t.Errorf("after %s: events %v, next cursor %q, want none", after, seqs, next)
		}
	}
	w.do("HEAD", "/v1/channels/orders/export", ten.key, nil).want(200)
	w.do("DELETE", "/v1/channels/orders", ten.key, nil).want(204)
	if seqs, next := exported(t, w.do("GET", "/v1/channels/orders/export", ten.key, nil).want(200)); seqs != nil ||
		next != "" {
		t.Errorf("after the purge: events %v, next cursor %q, want none", seqs, next)
	}
	w.publish(ten, "orders", "6")
	if seqs, _ := exported(t, w.do("GET", "/v1/channels/orders/export", ten.key,
		nil).want(200)); fmt.Sprint(seqs) != "[6]" {
		t.Errorf("after the purge: %v, want [6]", seqs)
	}
}

func TestALargeExportComesInParts(t *testing.T) {
	w := newWorld(t)
	ten := w.tenant("Acme")
	w.do("PATCH", "/v1/tenants/"+ten.id, w.operator, `{"limits":{"events_per_second":0}}`).want(200)
	const events = 40
	for range events {
		w.publish(ten, "a", `"`+strings.Repeat("x", 220<<10)+`"`)
	}
	var all []int
	parts := 0
	for path := "/v1/channels/a/export"; ; {
		a := w.do("GET", path, ten.key, nil).want(200)
		seqs, next := exported(t, a)
		if len(a.body) > 4<<20+100 || len(seqs) == 0 {
			t.Fatalf("a part has %d events and %d bytes, want events and at most 4 MiB", len(seqs), len(a.body))
		}
		parts++
		all = append(all, seqs...)
		if next == "" {
			break
		}
		path = "/v1/channels/a/export?after=" + next
	}
	if len(all) != events || all[events-1] != events || parts != 3 {
		t.Errorf("%d events in %d parts, want %d in 3", len(all), parts, events)
	}
}

func TestAnExportIsForWhoMayReadTheChannel(t *testing.T) {
	w := newWorld(t)
	ten, other := w.tenant("Acme"), w.tenant("Bolt")
	w.publish(ten, "orders", `{"a":1,"b":2}`)
	const path = "/v1/channels/orders/export"
	_, viewer := w.key(ten, "viewer")
	_, publisher := w.key(ten, "publisher")
	w.do("GET", path, other.key, nil).want(404, "channel_not_found")
	w.do("GET", path, publisher, nil).want(403, "forbidden")
	w.do("GET", path, w.token(ten, `{"subject":"alice","channels":["*"],"ttl_seconds":60}`).get("token"), nil).want(403,
		"api_key_required")
	w.do("GET", path+"?after=x", viewer, nil).want(400, "invalid_cursor")
	w.setPolicy(ten, hidden("role:viewer", "a"))
	if a := w.do("GET", path, viewer, nil).want(200); !strings.Contains(string(a.body), `"data":{"b":2}`) {
		t.Errorf(`got %s, want the body containing "data":{"b":2}`, a.body)
	}
}
