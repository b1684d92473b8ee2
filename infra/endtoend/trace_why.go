package endtoend

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// Reason is why a subject has not got an event.
type Reason struct {
	Verdict     string
	Connections []struct{ Ended *string }
}

// why asks for it.
func (d Deployment) why(t *testing.T, by Tenant, subject, channel string, seq int64, secrets []string) (v Reason) {
	t.Helper()
	a := d.Must(t, "POST", "/v1/trace/why", by.Key, map[string]any{"subject": subject, "channel": channel, "seq": seq}).Want(t, 200)
	a.keeps(t, secrets)
	a.JSON(t, &v)
	return v
}

// reasons asks about ann and cid, who have heard of orders' event seq, and ben, who has not. Ann goes away.
func (d Deployment) reasons(t *testing.T, tenant Tenant, ann *Stream, seq int64, secrets []string) {
	why := func(subject string, seq int64) Reason {
		t.Helper()
		return d.why(t, tenant, subject, "orders", seq, secrets)
	}
	for _, c := range []struct {
		subject string
		seq     int64
		want    string
	}{{"cid", seq, "written"}, {"cid", seq + 1, "not_published"}, {"cid", 1, "connected_later"}, {"ben", seq, "not_connected"}} {
		if got := why(c.subject, c.seq).Verdict; got != c.want {
			t.Errorf("why has %s not got %d: %s, want %s", c.subject, c.seq, got, c.want)
		}
	}
	ann.Close()
	await(t, "ann's end in the record", func() Reason { return why("ann", seq) }, func(v Reason) bool {
		return v.Verdict == "written" && len(v.Connections) == 1 && v.Connections[0].Ended != nil
	})
	d.publish(t, tenant, "orders", 7, 7)
	awaitEvents(t, d, tenant, "orders", int(seq+1))
	await(t, "that ann was not there", func() string { return why("ann", seq+1).Verdict }, func(v string) bool { return v == "not_connected" })
}

// tracesJob follows what a job says. Who comes late is shown the last of it, and is not said to have come too late for that.
func (d Deployment) tracesJob(t *testing.T, tenant Tenant, secrets []string) {
	job := d.Job(t, tenant, nil)
	percent := 0
	var told Event
	await(t, "a trace of what a job says", func() Trace { // a process may go by what it has read of the switch 5 s ago
		percent++
		job.Report(t, d, map[string]any{"percent": percent})
		await(t, "the word of it", func() Event {
			if list := d.History(t, tenant, job.Channel); len(list) > 0 {
				told = list[len(list)-1]
			}
			return told
		}, func(e Event) bool { return strings.Contains(string(e.Data), fmt.Sprintf(`"percent":%d,`, percent)) })
		return d.traceOf(t, tenant, told.ID, secrets)
	}, func(v Trace) bool {
		return v.Traced && fmt.Sprint(v.names()) == "[received enqueued appended fanned_out]"
	})
	late := d.MustSubscribe(t, d.Token(t, tenant, "dan", job.Channel), "", nil, job.Channel)
	if f := mustNext(t, late); f.ID != strconv.FormatInt(told.Seq, 10) {
		t.Errorf("who comes late is shown %+v, and not number %d", f, told.Seq)
	}
	await(t, "that dan has it", func() string { return d.why(t, tenant, "dan", job.Channel, told.Seq, secrets).Verdict }, func(v string) bool { return v == "written" })
	if got := d.why(t, tenant, "dan", job.Channel, told.Seq-1, secrets).Verdict; got != "connected_later" {
		t.Errorf("what was said before dan came: %s", got)
	}
}
