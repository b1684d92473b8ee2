package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// exported is an export as its lines: the numbers of the events, and where the next part begins.
func exported(t *testing.T, a answer) (seqs []int, next string) {
	t.Helper()
	if a.header.Get("Content-Type") != "application/x-ndjson" || !strings.HasSuffix(string(a.body), "\n") {
		t.Fatalf("%v %.300s", a.header, a.body)
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
				t.Fatalf("the last line is %s", line)
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
	if seqs, next := exported(t, a); fmt.Sprint(seqs) != "[1 2 3 4 5]" || next != "" || a.header.Get("Content-Disposition") != `attachment; filename="orders.ndjson"` {
		t.Errorf("%v, %q, %v", seqs, next, a.header)
	}
	history := w.do("GET", "/v1/channels/orders/events?limit=1", ten.key, nil).want(200)
	if first, _, _ := strings.Cut(string(a.body), "\n"); !strings.Contains(string(history.body), first) {
		t.Errorf("a line is %s, and the history has %s", first, history.body)
	}
	if seqs, _ := exported(t, w.do("GET", "/v1/channels/orders/export?after=3", ten.key, nil).want(200)); fmt.Sprint(seqs) != "[4 5]" {
		t.Errorf("behind 3: %v", seqs)
	}
	for _, after := range []string{"5", "9"} {
		if seqs, next := exported(t, w.do("GET", "/v1/channels/orders/export?after="+after, ten.key, nil).want(200)); seqs != nil || next != "" {
			t.Errorf("behind %s: %v, %q", after, seqs, next)
		}
	}
	w.do("HEAD", "/v1/channels/orders/export", ten.key, nil).want(200)
	w.do("DELETE", "/v1/channels/orders", ten.key, nil).want(204)
	if seqs, next := exported(t, w.do("GET", "/v1/channels/orders/export", ten.key, nil).want(200)); seqs != nil || next != "" {
		t.Errorf("once it is purged: %v, %q", seqs, next)
	}
	w.publish(ten, "orders", "6")
	if seqs, _ := exported(t, w.do("GET", "/v1/channels/orders/export", ten.key, nil).want(200)); fmt.Sprint(seqs) != "[6]" {
		t.Errorf("behind the purge: %v", seqs)
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
			t.Fatalf("a part of %d events and %d bytes", len(seqs), len(a.body))
		}
		parts++
		all = append(all, seqs...)
		if next == "" {
			break
		}
		path = "/v1/channels/a/export?after=" + next
	}
	if len(all) != events || all[events-1] != events || parts != 3 {
		t.Errorf("%d events in %d parts", len(all), parts)
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
	w.do("GET", path, w.token(ten, `{"subject":"alice","channels":["*"],"ttl_seconds":60}`).get("token"), nil).want(403, "api_key_required")
	w.do("GET", path+"?after=x", viewer, nil).want(400, "invalid_cursor")
	w.setPolicy(ten, hidden("role:viewer", "a"))
	if a := w.do("GET", path, viewer, nil).want(200); !strings.Contains(string(a.body), `"data":{"b":2}`) {
		t.Errorf("%s", a.body)
	}
}
