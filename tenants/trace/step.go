package trace

import (
	"fmt"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// Step is one step of an event's way, recorded by the process that took it. It holds nothing of the payload and no
// secret.
type Step struct {
	Name string // StepAppended, StepFannedOut or StepWritten
	At   time.Time
	Took time.Duration `json:",omitempty"` // from At; of StepAppended and StepFannedOut

	// Of StepFannedOut: the nodes that received the event, and those that turned out to be gone.
	Nodes []string `json:",omitempty"`
	Gone  []string `json:",omitempty"`

	// Of StepWritten: At is the time of the last write and First that of the first, or both the event's arrival at
	// the node if it was written to no connection.
	Node        string         `json:",omitempty"`
	First       time.Time      `json:",omitzero"`
	Subscribers int            `json:",omitempty"` // when the event arrived
	Connections int            `json:",omitempty"` // that it was written to, or handed to for an answer
	Replayed    int            `json:",omitempty"` // of them: those that had fallen behind and read it from the log
	Bytes       int64          `json:",omitempty"`
	Hidden      []StepHidden   `json:",omitempty"`
	Cut         map[string]int `json:",omitempty"` // connections that ended before they received the event, by cause
	CutAt       time.Time      `json:",omitzero"`  // when the last of them ended
	Denied      []StepDenied   `json:",omitempty"` // some of those that were cut because they lost their right
}

// StepHidden is the number of connections that received the event without some of its fields.
type StepHidden struct {
	Fields      []string
	Connections int
}

// StepDenied is a connection that did not receive the event because it lost its right.
type StepDenied struct {
	Connection, Subject string
	Roles, Channels     []string // of its principal
}

// The names of steps.
const (
	StepAppended  = "appended"
	StepFannedOut = "fanned_out"
	StepWritten   = "written"
)

// Bounds of one Step.
const (
	MaxNodes  = 200 // in each of Nodes and Gone
	MaxDenied = 8
)

func traceKind(event string) tenants.Kind { return tenants.Kind("trace/" + event) }

func (s Step) key(t tenants.TenantID, event string) tenants.Key {
	sort := s.Name
	if s.Node != "" {
		sort += "/" + s.Node
	}
	return tenants.Key{Tenant: t, Kind: traceKind(event), Sort: sort}
}

// Begin returns when the step was first taken.
func (s Step) Begin() time.Time {
	if s.First.IsZero() {
		return s.At
	}
	return s.First
}

// Session is the start or the end of a connection, recorded by its node.
type Session struct {
	Connection string
	Node       string
	At         time.Time
	Opened     time.Time
	Ended      string // the cause of its end, named as in metrics; "": this is its start
	Transport  string
	Channels   []string
	Positions  []int64 // the cursor in each of Channels at At; -1: unknown
}

// sessionKind is the kind of the rows of one subject, whose name is hashed: a tenant chooses it, and it has no grammar.
func sessionKind(subject string) tenants.Kind {
	return tenants.Kind("sessions/" + tenants.DerivedID("sub_", subject))
}

func (s Session) key(t tenants.TenantID, subject string) tenants.Key {
	what := "open"
	if s.Ended != "" {
		what = "end"
	}
	sort := fmt.Sprintf("%019d.%s.%s", max(0, s.At.UnixNano()), s.Connection, what)
	return tenants.Key{Tenant: t, Kind: sessionKind(subject), Sort: sort}
}
