package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hookcast/hookcast/tenants"
)

func TestTraceIsATable(t *testing.T) {
	id := tenants.NewID(tenants.PrefixEvent)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/events/"+id+"/trace" {
			http.NotFound(w, r)
			return
		}
		io.WriteString(w, `{"event":{"id":"`+id+
			`","channel":"orders","seq":7,"type":"paid","source":null},"traced":true,
			"hops":[{"hop":"received","at":"2026-08-01T12:00:00Z","since_previous_ms":null,"known_from":"event",
				"delivery_id":"d\u001b[31m"},
			{"hop":"verified","at":null,"since_previous_ms":null,"known_from":"event",
				"scheme":"github","signature_age_seconds":1.5},
			{"hop":"appended","at":"2026-08-01T12:00:00.012Z","since_previous_ms":12,"known_from":"trace","seq":7},
			{"hop":"fanned_out","at":"2026-08-01T12:00:00.015Z","since_previous_ms":3,"known_from":"trace",
				"nodes":["nod_1","nod_2"]}],
			"not_recorded":["appended","written"],"total_ms":15}`)
	}))
	t.Cleanup(s.Close)
	d := newMachine(t)
	d.vars = map[string]string{envKey: testKey(), envAPI: s.URL}
	d.runs(t, 0, "trace", id)
	said := d.out.String()
	lines := strings.Split(strings.TrimRight(said, "\n"), "\n")
	if len(lines) != 7 || lines[0] != id+" orders#7 paid" || strings.Fields(lines[1])[1] != "received" ||
		!strings.Contains(lines[1], "delivery_id=d<U+001B>[31m") ||
		strings.Join(strings.Fields(lines[2]), " ") != "verified scheme=github signature_age_seconds=1.5" ||
		!strings.Contains(lines[3], "+12 ms") ||
		!strings.HasSuffix(lines[4], `nodes=["nod_1","nod_2"]`) ||
		strings.Join(strings.Fields(lines[5]), " ") != "15 ms in all" || lines[6] != "not recorded: written" {
		t.Errorf("trace printed unexpected lines:\n%s", said)
	}
	if at := strings.Index(lines[3], "appended"); at < 0 || at != strings.Index(lines[4], "fanned_out") ||
		at != strings.Index(lines[2], "verified") {
		t.Errorf("the columns are not aligned:\n%s", said)
	}
}
