package job

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// jobData is the data of each of a job's events. All that there is to know is in each of them, so that whoever comes late needs the last
// alone; a log's lines are besides.
type jobData struct {
	Job      string          `json:"job"`
	Name     string          `json:"name,omitempty"`
	State    State           `json:"state"`
	Percent  float64         `json:"percent"`
	Step     string          `json:"step,omitempty"`
	Message  string          `json:"message,omitempty"`
	Revision int64           `json:"revision"`
	Lines    []string        `json:"lines,omitempty"`
	Result   json.RawMessage `json:"result,omitempty"`
	Error    *jobErrorData   `json:"error,omitempty"`
}

type jobErrorData struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (j *Job) data(lines []string) []byte {
	d := jobData{
		Job: j.ID, Name: j.Name, State: j.State, Percent: j.Percent, Step: j.Step, Message: j.Message, Revision: j.Revision, Lines: lines, Result: j.Result,
	}
	if j.Error != nil {
		d.Error = &jobErrorData{j.Error.Code, j.Error.Message}
	}
	return encodeJob(d)
}

// encodeJob is JSON without the escapes that are for HTML, which would make some results six times as long.
func encodeJob(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("tenants: a job's fields always marshal: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// jobOut is the event of a job that is on its way into the channel. While it is there no other is made, so that events get there in
// the order in which they were made: whoever finds it sends it, and it is taken away once somebody has. Who sends it again later, having been
// frozen, sends what the log has, and the log drops that.
type jobOut struct {
	N     int64 // 1, 2, 3, … of the job's events
	Type  string
	Data  json.RawMessage // nil: made of the job, which has ended and changes no more
	Since time.Time
}

// jobEvent is the event that out stands for.
func (r *jobRecord) event() tenants.Event {
	out := r.Out
	e := tenants.Event{
		ID:     tenants.DerivedID(tenants.PrefixEvent, string(r.Tenant), "job", r.ID, strconv.FormatInt(out.N, 10)),
		Tenant: r.Tenant, Channel: r.Channel, Type: out.Type, Data: out.Data, ContentType: "application/json", Time: out.Since.UTC(), Snapshot: true,
	}
	if r.State != Running && out.Data == nil {
		e.Data, e.End = r.data(nil), true
	}
	return e
}

// jobRecord is a job as it is stored, with what of it is yet to be told.
type jobRecord struct {
	Job
	Run      *jobRun  // nil: somebody else does the work
	Lines    []string // not told yet
	Out      *jobOut  // nil: nothing is under way
	Sent     int64    // events so far, Out included
	Told     int64    // the revision that was told last
	ToldAt   time.Time
	LoggedAt time.Time
	EndTold  bool
	Minded   time.Time // until then somebody sees to it that what is not told yet is
}

// jobSpacing is how long a job's events of one type are apart at least: what comes within it is told as one. An eye sees no more.
const jobSpacing = 250 * time.Millisecond

// unsent tells whether there is something to tell.
func (r *jobRecord) unsent() bool {
	return r.Out != nil || len(r.Lines) > 0 || r.State == Running && r.Revision > r.Told || r.State != Running && !r.EndTold
}

// pause is how long load has to wait.
func (r *jobRecord) pause(now time.Time) time.Duration {
	if r.Out != nil || r.State != Running {
		return 0
	}
	wait := time.Duration(-1)
	if len(r.Lines) > 0 {
		wait = max(0, r.LoggedAt.Add(jobSpacing).Sub(now))
	}
	if r.Revision > r.Told {
		if w := max(0, r.ToldAt.Add(jobSpacing).Sub(now)); wait < 0 || w < wait {
			wait = w
		}
	}
	return max(0, wait)
}

// load puts the next event on its way, if one is due. The end comes behind everything else.
func (r *jobRecord) load(now time.Time) {
	if r.Out != nil {
		return
	}
	ended := r.State != Running
	switch {
	case len(r.Lines) > 0 && (ended || now.Sub(r.LoggedAt) >= jobSpacing):
		shown := r.Job
		if ended { // the lines were before the end, which has an event of its own
			shown.State, shown.Result, shown.Error = Running, nil, nil
		}
		r.Out = &jobOut{Type: TypeLog, Data: shown.data(r.Lines)}
		r.Lines, r.LoggedAt = nil, now
	case ended && !r.EndTold:
		r.Out = &jobOut{Type: "job." + string(r.State)}
		r.EndTold = true
	case !ended && r.Revision > r.Told && now.Sub(r.ToldAt) >= jobSpacing:
		r.Out = &jobOut{Type: TypeProgress, Data: r.data(nil)}
		r.Told, r.ToldAt = r.Revision, now
	default:
		return
	}
	r.Sent++
	r.Out.N, r.Out.Since = r.Sent, now
}
