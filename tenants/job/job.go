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

// Job is slow work whose progress a channel shows. It ends once.
type Job struct {
	ID       string
	Tenant   tenants.TenantID
	Name     string // for people; may be ""
	Channel  string
	State    State
	Percent  float64 // 0 to 100, at most two decimals; it never falls
	Step     string
	Message  string
	Result   json.RawMessage // of a completed job; nil: none was given
	Error    *Error          // of a job that failed or timed out
	Created  time.Time
	Reported time.Time // the latest report, or Created
	Ended    time.Time // zero: it is running
	Timeout  time.Duration
	Revision int64 // grows with each visible change; a reader drops a revision lower than its own
}

// State is the state of a job.
type State string

// A job is Running until it enters one of the other states, which are final.
const (
	Running   State = "running"
	Completed State = "completed"
	Failed    State = "failed"
	TimedOut  State = "timed_out"
)

// Error says why a job failed.
type Error struct {
	Code    string // for programs: 1 to 64 letters, digits, '_' and '-'
	Message string // for people
}

// Codes of an Error that Hookcast sets.
const (
	errorFailed   = "failed" // the worker gave no code
	errorTimedOut = "timed_out"
	errorCanceled = "canceled"
)

// Bounds of a job.
const (
	DefaultTimeout = 5 * time.Minute    // without a report
	MaxTimeout     = 24 * time.Hour     // without a report
	maxLife        = 24 * time.Hour     // after its creation, however often the worker reports
	Kept           = 7 * 24 * time.Hour // after its end
	MaxResult      = 256 << 10          // bytes
	MaxLines       = 500                // in one report
	maxLine        = 2000               // bytes; longer lines are cut
	maxLog         = 32 << 10           // bytes of lines that wait to be published
	maxText        = 1000               // bytes of step, message and error
)

// Spec is what a caller chooses about a new job.
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
	if s.Timeout < time.Second || s.Timeout > MaxTimeout {
		return tenants.Refused("/timeout_seconds", "invalid_timeout", "the timeout must be 1 to 86400 seconds")
	}
	if s.Channel == "" {
		return nil
	}
	return tenants.Publishable(s.Channel)
}

// Report is one message of a worker. Nil fields stay as they are. Complete, with a Result or without, or Error ends
// the job.
type Report struct {
	Percent  *float64
	Step     *string
	Message  *string
	Lines    []string
	Complete bool
	Result   json.RawMessage
	Error    *Error
}

// check refuses values that a job cannot show, and normalizes the others.
func (r *Report) check() error {
	if p := r.Percent; p != nil {
		if math.IsNaN(*p) || *p < 0 || *p > 100 {
			return tenants.Refused("/percent", "invalid_percent", "the percent must be 0 to 100")
		}
		r.Percent = new(math.Floor(*p*100) / 100)
	}
	for _, field := range []struct {
		name string
		text *string
	}{{"step", r.Step}, {"message", r.Message}} {
		if field.text != nil && !isText(*field.text) {
			return tenants.Refused("/"+field.name, "invalid_text",
				"the "+field.name+" must be at most 1000 bytes of text without control characters")
		}
	}
	if e := r.Error; e != nil {
		if e.Code == "" {
			r.Error = &Error{Code: errorFailed, Message: e.Message}
		} else if len(e.Code) > 64 || strings.ContainsFunc(e.Code, func(c rune) bool {
			return c > unicode.MaxASCII || !tenants.TypeChar(byte(c)) || strings.ContainsRune(".:/", c)
		}) {
			return tenants.Refused("/error/code", "invalid_code",
				"the code must be at most 64 letters, digits, _ and -")
		}
		if e.Message == "" || !isText(e.Message) {
			return tenants.Refused("/error/message", "invalid_text",
				"the message must be 1 to 1000 bytes of text without control characters")
		}
	}
	if len(r.Result) > 0 {
		var b bytes.Buffer
		if err := json.Compact(&b, r.Result); err != nil {
			return tenants.Refused("/result", "invalid_result", "the result must be JSON")
		}
		if b.Len() > MaxResult {
			return tenants.Errorf(tenants.TooLarge, "job_result_too_large",
				"the result must have at most %d bytes, not %d", MaxResult, b.Len())
		}
		r.Result = b.Bytes()
	}
	if len(r.Lines) > MaxLines {
		return tenants.Refused("/lines", "invalid_lines", "a report must have at most 500 lines")
	}
	r.Lines = splitLines(r.Lines)
	if len(encode(r.Lines)) > maxLog {
		return tenants.Errorf(tenants.TooLarge, "job_log_too_large",
			"the lines of a report must have at most %d bytes together", maxLog)
	}
	return nil
}

// isText reports whether s is at most maxText bytes of valid text without control characters.
func isText(s string) bool {
	return len(s) <= maxText && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// splitLines splits each text at its line ends, replaces control characters except tabs, and cuts long lines.
func splitLines(texts []string) (lines []string) {
	for _, text := range texts {
		for line := range strings.Lines(text + "\n") {
			line = strings.Map(func(c rune) rune {
				if c != '\t' && unicode.IsControl(c) {
					return utf8.RuneError
				}
				return c
			}, strings.ToValidUTF8(strings.TrimRight(line, "\r\n"), "\ufffd"))
			if len(line) > maxLine {
				line = strings.ToValidUTF8(line[:maxLine], "") + "…"
			}
			lines = append(lines, line)
		}
	}
	return lines
}

// apply changes the job as r says. Each visible change gets a new revision.
func (j *Job) apply(r Report, now time.Time) {
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
	if j.Percent != before.Percent || j.Step != before.Step || j.Message != before.Message || j.State != before.State {
		j.Revision++
	}
}

func (j *Job) end(s State, now time.Time) { j.State, j.Ended = s, now }

// repeats reports whether r is the report that ended the job, received again.
func (j *Job) repeats(r Report) bool {
	switch {
	case r.Error != nil:
		return j.State == Failed && j.Error != nil && *j.Error == *r.Error
	case r.Complete:
		return j.State == Completed && bytes.Equal(j.Result, r.Result)
	}
	return false
}

// deadline returns when the job times out unless a report comes first.
func (j *Job) deadline() time.Time {
	return tenants.Earlier(j.Reported.Add(j.Timeout), j.Created.Add(maxLife))
}

// Kinds returns the kinds of rows that tenants have here.
func Kinds() []tenants.TenantKind {
	return []tenants.TenantKind{{Kind: rowJobs}, {Kind: rowRunning}}
}
