package endtoend

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// Reason says why a subject did not get an event.
type Reason struct {
	Verdict     string
	Connections []struct{ Ended *string }
}

// why requests the reason.
func (d Deployment) why(t *testing.T, by Tenant, subject, channel string, seq int64, secrets []string) (v Reason) {
	t.Helper()
	a := d.Must(t, "POST", "/v1/trace/why", by.Key,
		map[string]any{"subject": subject, "channel": channel, "seq": seq}).Want(t, 200)
	a.wantNoSecret(t, secrets)
	a.JSON(t, &v)
	return v
}

// traceReasons asks about ann and cid, who both got event seq of orders, and ben, who never connected. It closes
// ann's stream.
func (d Deployment) traceReasons(t *testing.T, tenant Tenant, ann *Stream, seq int64, secrets []string) {
	why := func(subject string, seq int64) Reason {
		t.Helper()
		return d.why(t, tenant, subject, "orders", seq, secrets)
	}
	for _, c := range []struct {
		subject string
		seq     int64
		want    string
	}{{"cid", seq, "written"}, {"cid", seq + 1, "not_published"}, {"cid", 1, "connected_later"},
		{"ben", seq, "not_connected"}} {
		if got := why(c.subject, c.seq).Verdict; got != c.want {
			t.Errorf("the verdict for %s and event %d is %s, want %s", c.subject, c.seq, got, c.want)
		}
	}
	ann.Close()
	await(t, "the recorded end of ann's connection", func() Reason { return why("ann", seq) }, func(v Reason) bool {
		return v.Verdict == "written" && len(v.Connections) == 1 && v.Connections[0].Ended != nil
	})
	d.publish(t, tenant, "orders", 7, 7)
	awaitEvents(t, d, tenant, "orders", int(seq+1))
	await(t, "the verdict for an event after ann left", func() string {
		return why("ann", seq+1).Verdict
	}, func(v string) bool { return v == "not_connected" })
}

// traceJob follows the events of a job. A late subscriber gets the last one, and does not count as too late for it.
func (d Deployment) traceJob(t *testing.T, tenant Tenant, secrets []string) {
	job := d.Job(t, tenant, nil)
	percent := 0
	var latest Event
	await(t, "a trace of a job's event", func() Trace { // a process may use a switch that it read up to 5 s ago
		percent++
		job.Report(t, d, map[string]any{"percent": percent})
		await(t, "the event of the report", func() Event {
			if list := d.History(t, tenant, job.Channel); len(list) > 0 {
				latest = list[len(list)-1]
			}
			return latest
		}, func(e Event) bool { return strings.Contains(string(e.Data), fmt.Sprintf(`"percent":%d,`, percent)) })
		return d.traceOf(t, tenant, latest.ID, secrets)
	}, func(v Trace) bool {
		return v.Traced && fmt.Sprint(v.names()) == "[received enqueued appended fanned_out]"
	})
	late := d.MustSubscribe(t, d.Token(t, tenant, "dan", job.Channel), "", nil, job.Channel)
	if f := mustNext(t, late); f.ID != strconv.FormatInt(latest.Seq, 10) {
		t.Errorf("a late subscriber got %+v, want event %d", f, latest.Seq)
	}
	await(t, "the verdict for dan and the last event", func() string {
		return d.why(t, tenant, "dan", job.Channel, latest.Seq, secrets).Verdict
	}, func(v string) bool { return v == "written" })
	if got := d.why(t, tenant, "dan", job.Channel, latest.Seq-1, secrets).Verdict; got != "connected_later" {
		t.Errorf("the verdict for an event before dan connected is %s, want connected_later", got)
	}
}
