package trace

import (
	"fmt"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// Step is one step of an event's way as the one who took it recorded it. There is nothing of the payload in it and no secret.
type Step struct {
	Name string // one of Hop…
	At   time.Time
	Took time.Duration `json:",omitempty"` // of StepAppended and StepFannedOut, which begin at At

	// Of StepFannedOut: the nodes that were told, and those that were found to be gone.
	Nodes []string `json:",omitempty"`
	Gone  []string `json:",omitempty"`

	// Of StepWritten, with At the last write and First the first; both are when the event came to the node where nothing was written.
	Node        string         `json:",omitempty"`
	First       time.Time      `json:",omitzero"`
	Subscribers int            `json:",omitempty"` // when the event came
	Connections int            `json:",omitempty"` // that it was written to, or handed to for an answer
	Replayed    int            `json:",omitempty"` // of them: those that were behind, and read it from the log
	Bytes       int64          `json:",omitempty"`
	Hidden      []StepHidden   `json:",omitempty"`
	Cut         map[string]int `json:",omitempty"` // connections that ended before they had the event, by cause
	CutAt       time.Time      `json:",omitzero"`  // when the last of them ended
	Denied      []StepDenied   `json:",omitempty"` // some of those that were cut because they lost their right
}

// StepHidden is how many connections were not shown some fields of the event.
type StepHidden struct {
	Fields      []string
	Connections int
}

// StepDenied is a connection that was not given the event because it lost its right.
type StepDenied struct {
	Connection, Subject string
	Roles, Channels     []string // of its principal
}

// Steps that are recorded.
const (
	StepAppended  = "appended"
	StepFannedOut = "fanned_out"
	StepWritten   = "written"
)

// Bounds of one hop's row.
const (
	MaxNodes  = 200
	MaxDenied = 8 // so many of Denied are kept
)

func traceKind(event string) tenants.Kind { return tenants.Kind("trace/" + event) }

// key is the row of the hop: one for each hop and who takes it.
func (h Step) key(t tenants.TenantID, event string) tenants.Key {
	sort := h.Name
	if h.Node != "" {
		sort += "/" + h.Node
	}
	return tenants.Key{Tenant: t, Kind: traceKind(event), Sort: sort}
}

// Session is a connection's coming or going as its node recorded it.
type Session struct {
	Connection string
	Node       string
	At         time.Time
	Opened     time.Time
	Ended      string // why it ended, by the names that metrics have; "": it has come
	Transport  string
	Channels   []string
	Positions  []int64 // in the order of Channels: where it began, or where it was when it ended; -1: not known
}

// sessionKind holds what was recorded of one subject. Its name is no part of keys: it is the tenant's own, and has no grammar.
func sessionKind(subject string) tenants.Kind {
	return tenants.Kind("sessions/" + tenants.DerivedID("sub_", subject))
}

func (s Session) key(t tenants.TenantID, subject string) tenants.Key {
	what := "open"
	if s.Ended != "" {
		what = "end"
	}
	return tenants.Key{Tenant: t, Kind: sessionKind(subject), Sort: fmt.Sprintf("%019d.%s.%s", max(0, s.At.UnixNano()), s.Connection, what)}
}
