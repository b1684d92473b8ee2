package job

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/record"
)

// Job is slow work whose progress a channel shows. It ends once, and keeps what it ended with.
type Job struct {
	ID       string
	Tenant   tenants.TenantID
	Name     string // for people; ""
	Channel  string
	State    State
	Percent  float64 // 0 to 100, at most two decimals; it never falls
	Step     string
	Message  string
	Result   json.RawMessage // of a job that is completed; nil: none was given
	Error    *Error          // of one that has failed or timed out
	Created  time.Time
	Reported time.Time // the last report, or Created
	Ended    time.Time // zero: it has not
	Timeout  time.Duration
	Revision int64 // grows with each change that is shown; a reader who sees a lower one than it has can drop it
}

// State is where a job is in its life.
type State string

// A job runs until it is one of the others, for good.
const (
	Running   State = "running"
	Completed State = "completed"
	Failed    State = "failed"
	TimedOut  State = "timed_out"
)

// Error is what a job failed of.
type Error struct {
	Code    string // for programs: letters, digits, '_' and '-', at most 64
	Message string // for people
}

// Codes of a Error that Hookcast gives itself.
const (
	ErrorFailed   = "failed" // where the worker gives none
	ErrorTimedOut = "timed_out"
	ErrorCanceled = "canceled"
)

// Types of a job's events.
const (
	TypeProgress  = "job.progress"
	TypeLog       = "job.log"
	TypeCompleted = "job.completed"
	TypeFailed    = "job.failed"
	TypeTimedOut  = "job.timed_out"
)

// Bounds of a job.
const (
	DefaultTimeout = 5 * time.Minute // without a report
	MaxJobTimeout  = 24 * time.Hour
	MaxJobLife     = 24 * time.Hour     // from its creation, however much is reported
	Kept           = 7 * 24 * time.Hour // from its end on
	MaxJobResult   = 256 << 10          // bytes
	MaxJobLines    = 500                // of one report
	maxJobLine     = 2000               // bytes; longer ones are cut
	maxJobLog      = 32 << 10           // bytes of lines that are not told yet
	maxJobText     = 1000               // bytes of step, message and error
)

// Spec is what a caller chooses of a new job.
type Spec struct {
	Name    string
	Timeout time.Duration // without a report; 0: DefaultTimeout
	Channel string        // "": one of the job's own
}

func (s Spec) check() error {
	if s.Name != "" {
		if err := tenants.CheckName("/name", s.Name); err != nil {
			return err
		}
	}
	if s.Timeout < time.Second || s.Timeout > MaxJobTimeout {
		return tenants.Refused("/timeout_seconds", "invalid_timeout", "the timeout must be 1 to 86400 seconds")
	}
	if s.Channel == "" {
		return nil
	}
	return tenants.Publishable(s.Channel)
}

// Report is what a worker says. Result with Complete, or Error, end the job.
type Report struct {
	Percent  *float64
	Step     *string
	Message  *string
	Lines    []string
	Complete bool
	Result   json.RawMessage
	Error    *Error
}

// check refuses what a job cannot show, and brings the rest into one form.
func (r *Report) check() error {
	if p := r.Percent; p != nil {
		if math.IsNaN(*p) || *p < 0 || *p > 100 {
			return tenants.Refused("/percent", "invalid_percent", "the percent must be 0 to 100")
		}
		r.Percent = new(math.Floor(*p*100) / 100)
	}
	for pointer, text := range map[string]*string{"/step": r.Step, "/message": r.Message} {
		if text != nil && !shows(*text, maxJobText) {
			return tenants.Refused(pointer, "invalid_text", "this must be at most 1000 bytes of text without control characters")
		}
	}
	if e := r.Error; e != nil {
		if e.Code == "" {
			r.Error = &Error{Code: ErrorFailed, Message: e.Message}
		} else if len(e.Code) > 64 || strings.ContainsFunc(e.Code, func(c rune) bool {
			return c > unicode.MaxASCII || !tenants.TypeChar(byte(c)) || strings.ContainsRune(".:/", c)
		}) {
			return tenants.Refused("/error/code", "invalid_code", "the code must be at most 64 letters, digits, _ and -")
		}
		if e.Message == "" || !shows(e.Message, maxJobText) {
			return tenants.Refused("/error/message", "invalid_text", "the message must be 1 to 1000 bytes of text without control characters")
		}
	}
	if len(r.Result) > 0 {
		var b bytes.Buffer
		if err := json.Compact(&b, r.Result); err != nil {
			return tenants.Refused("/result", "invalid_result", "the result must be JSON")
		}
		if b.Len() > MaxJobResult {
			return tenants.Errorf(tenants.TooLarge, "job_result_too_large", "the result has %d bytes, and may have %d", b.Len(), MaxJobResult)
		}
		r.Result = b.Bytes()
	}
	if len(r.Lines) > MaxJobLines {
		return tenants.Refused("/lines", "invalid_lines", "there may be 500 lines in one report")
	}
	r.Lines = jobLines(r.Lines)
	if linesSize(r.Lines) > maxJobLog {
		return tenants.Errorf(tenants.TooLarge, "job_log_too_large", "the lines of one report may have %d bytes in all", maxJobLog)
	}
	return nil
}

// shows tells whether s is at most max bytes of valid text without control characters.
func shows(s string, max int) bool {
	return len(s) <= max && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// jobLines are lines as they are shown: split where they hold line ends, without control characters but tabs, and not overlong.
func jobLines(raw []string) (lines []string) {
	for _, text := range raw {
		for line := range strings.Lines(text + "\n") {
			line = strings.Map(func(c rune) rune {
				if c != '\t' && unicode.IsControl(c) {
					return utf8.RuneError
				}
				return c
			}, strings.ToValidUTF8(strings.TrimRight(line, "\r\n"), "\ufffd"))
			if len(line) > maxJobLine {
				line = strings.ToValidUTF8(line[:maxJobLine], "") + "…"
			}
			lines = append(lines, line)
		}
	}
	return lines
}

// linesSize is what the lines take, as JSON and as what is kept of them.
func linesSize(lines []string) int {
	if len(lines) == 0 {
		return 0
	}
	return len(encodeJob(lines))
}

// apply changes the job as r says, and tells whether that shows.
func (j *Job) apply(r Report, now time.Time) (changed bool) {
	before := *j
	j.Reported = now
	if r.Percent != nil {
		j.Percent = max(j.Percent, *r.Percent)
	}
	record.Set(&j.Step, r.Step)
	record.Set(&j.Message, r.Message)
	switch {
	case r.Error != nil:
		j.end(Failed, now)
		j.Error = r.Error
	case r.Complete:
		j.end(Completed, now)
		j.Percent, j.Result = 100, r.Result
	}
	changed = j.Percent != before.Percent || j.Step != before.Step || j.Message != before.Message || j.State != before.State
	if changed {
		j.Revision++
	}
	return changed
}

func (j *Job) end(s State, now time.Time) { j.State, j.Ended = s, now }

// repeats tells whether the job has ended as r would end it: a report that comes again.
func (j *Job) repeats(r Report) bool {
	switch {
	case r.Error != nil:
		return j.State == Failed && j.Error != nil && *j.Error == *r.Error
	case r.Complete:
		return j.State == Completed && bytes.Equal(j.Result, r.Result)
	}
	return false
}

// deadline is when the job times out unless somebody reports.
func (j *Job) deadline() time.Time {
	idle, whole := j.Reported.Add(j.Timeout), j.Created.Add(MaxJobLife)
	if whole.Before(idle) {
		return whole
	}
	return idle
}

// Kinds are the kinds of rows that tenants have here.
func Kinds() []tenants.TenantKind {
	return []tenants.TenantKind{{Kind: rowJobs}, {Kind: rowJobsRunning}}
}
