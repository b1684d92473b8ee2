package job

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// Types of a job's events, and of the request that a run posts to its endpoint. The event of a job's end has the type
// "job." followed by the state.
const (
	typeProgress = "job.progress"
	typeLog      = "job.log"
	typeRun      = "job.run"
)

// eventData is the data of a job's event: the whole state of the job, and new log lines.
type eventData struct {
	Job      string          `json:"job"`
	Name     string          `json:"name,omitempty"`
	State    State           `json:"state"`
	Percent  float64         `json:"percent"`
	Step     string          `json:"step,omitempty"`
	Message  string          `json:"message,omitempty"`
	Revision int64           `json:"revision"`
	Lines    []string        `json:"lines,omitempty"`
	Result   json.RawMessage `json:"result,omitempty"`
	Error    *errorData      `json:"error,omitempty"`
}

type errorData struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (j *Job) data(lines []string) []byte {
	d := eventData{
		Job: j.ID, Name: j.Name, State: j.State, Percent: j.Percent, Step: j.Step, Message: j.Message,
		Revision: j.Revision, Lines: lines, Result: j.Result,
	}
	if j.Error != nil {
		d.Error = &errorData{j.Error.Code, j.Error.Message}
	}
	return encode(d)
}

// encode returns v as JSON without the escapes for HTML, which would make some results six times as long.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("job: the fields of a job always marshal: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// storedJob is the row of a job: the job, and which of its events are to be published. Its JSON names are stored.
type storedJob struct {
	Job
	Run          *assignment // nil: the tenant's own program does the work
	Lines        []string    // to be published
	Out          *nextEvent  // nil: none is under way
	Sent         int64       // number of events so far, Out included
	Published    int64       `json:"Told"` // the revision of the latest progress event
	PublishedAt  time.Time   `json:"ToldAt"`
	LoggedAt     time.Time   // time of the latest log event
	EndPublished bool        `json:"EndTold"`
	ClaimedUntil time.Time   `json:"Minded"` // until then some process is publishing; see claimPublishing
}

// nextEvent is the event that is under way to the channel. No other is made until it has been sent. A process that
// was frozen may send it again later; the log drops that by the event's id.
type nextEvent struct {
	N     int64 // 1, 2, 3, … of the job's events
	Type  string
	Data  json.RawMessage // nil: made from the job, which has ended and does not change any more
	Since time.Time
}

// UnmarshalJSON decodes a row. It leaves a stored null as nil, which json.RawMessage does not.
func (r *storedJob) UnmarshalJSON(b []byte) error {
	type plain storedJob
	if err := json.Unmarshal(b, (*plain)(r)); err != nil {
		return err
	}
	if string(r.Result) == "null" {
		r.Result = nil
	}
	if r.Out != nil && string(r.Out.Data) == "null" {
		r.Out.Data = nil
	}
	return nil
}

// put returns the op that stores the job: until Kept after its end.
func (r *storedJob) put(c tenants.Condition) tenants.Op {
	var expires time.Time
	if r.State != Running {
		expires = r.Ended.Add(Kept)
	}
	return tenants.Put(rowKey(r.Tenant, r.ID), encode(r), expires, c)
}

// event returns the event that is under way.
func (r *storedJob) event() tenants.Event {
	out := r.Out
	e := tenants.Event{
		ID:     tenants.DerivedID(tenants.PrefixEvent, string(r.Tenant), "job", r.ID, strconv.FormatInt(out.N, 10)),
		Tenant: r.Tenant, Channel: r.Channel, Type: out.Type, Data: out.Data, ContentType: "application/json",
		Time: out.Since.UTC(), Snapshot: true,
	}
	if r.State != Running && out.Data == nil {
		e.Data, e.End = r.data(nil), true
	}
	return e
}

// spacing is the shortest time between two events of one type. A viewer sees no more than that.
const spacing = 250 * time.Millisecond

// unpublished reports whether there is something to publish.
func (r *storedJob) unpublished() bool {
	return r.Out != nil || len(r.Lines) > 0 || r.State == Running && r.Revision > r.Published ||
		r.State != Running && !r.EndPublished
}

// delay returns how long to wait until prepare makes an event.
func (r *storedJob) delay(now time.Time) time.Duration {
	if r.Out != nil || r.State != Running {
		return 0
	}
	var due time.Time
	if len(r.Lines) > 0 {
		due = tenants.Earlier(due, r.LoggedAt.Add(spacing))
	}
	if r.Revision > r.Published {
		due = tenants.Earlier(due, r.PublishedAt.Add(spacing))
	}
	return max(0, due.Sub(now))
}

// prepare makes the next event, if none is under way and one is due: log lines first, the end last.
func (r *storedJob) prepare(now time.Time) {
	if r.Out != nil {
		return
	}
	ended := r.State != Running
	switch {
	case len(r.Lines) > 0 && (ended || now.Sub(r.LoggedAt) >= spacing):
		shown := r.Job
		if ended { // the lines were reported before the end, which has an event of its own
			shown.State, shown.Result, shown.Error = Running, nil, nil
		}
		r.Out = &nextEvent{Type: typeLog, Data: shown.data(r.Lines)}
		r.Lines, r.LoggedAt = nil, now
	case ended && !r.EndPublished:
		r.Out = &nextEvent{Type: "job." + string(r.State)}
		r.EndPublished = true
	case !ended && r.Revision > r.Published && now.Sub(r.PublishedAt) >= spacing:
		r.Out = &nextEvent{Type: typeProgress, Data: r.data(nil)}
		r.Published, r.PublishedAt = r.Revision, now
	default:
		return
	}
	r.Sent++
	r.Out.N, r.Out.Since = r.Sent, now
}
