package upstream

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventstream"
)

// Options configure a stream.
type Options struct {
	Opener  tenants.Opener
	Request tenants.Outgoing // without Accept, Cache-Control and Last-Event-ID, which the stream adds
	// Redirects allows redirects to the same scheme, host and port; a request with a body follows only 307 and 308.
	Redirects bool
	// Reconnect makes the stream continue on a new connection when one ends, as an EventSource does. Otherwise the
	// end of the connection is the end of the stream.
	Reconnect bool
	FirstByte time.Duration // from a request to the head of its answer
	Idle      time.Duration // between two bytes of a connection
	Total     time.Duration // for the whole stream
	// EventBytes is the upper bound of an event; a larger one ends the stream.
	EventBytes int
	// LastID is the id to resume after; "" means the beginning.
	LastID string
	// Tried is called after each attempt to connect, with whether it was a reconnect, and the error if it failed. It
	// may be nil.
	Tried func(again bool, err error)
	// Redact removes secrets from the shown parts of an answer. Required.
	Redact func(string) string
}

// Sink receives a stream, on the goroutine that runs it: while it blocks nothing is read, which holds back the other
// server.
type Sink interface {
	// Events receives consecutive events that arrived together. lastID is the id to resume after them. An error ends
	// the stream.
	Events(ctx context.Context, events []eventstream.Event, lastID string) error
	// Gap says that events may be missing here: the connection broke, and the stream has no ids to resume from, or
	// the other server restarted its numbering.
	Gap(ctx context.Context) error
}

// Reason says why a stream ended.
type Reason string

// The reasons.
const (
	Ended    Reason = "ended"    // the other server ended it: by 204, or by the end of an answer without Reconnect
	Cut      Reason = "cut"      // the connection broke, without Reconnect
	Failed   Reason = "failed"   // the other server refuses to continue, or sends no event stream
	TimeUp   Reason = "time"     // Options.Total has passed
	Canceled Reason = "canceled" // its context ended
	Refused  Reason = "refused"  // the sink returned an error
)

// End says how a stream ended.
type End struct {
	Reason Reason
	Err    error // the cause, with Failed, Cut and Refused
}
