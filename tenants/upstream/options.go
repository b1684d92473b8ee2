package upstream

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventstream"
)

// Options are how a stream is listened to.
type Options struct {
	Opener  tenants.Opener
	Request tenants.Outgoing // complete but for what the stream itself adds: Accept, Cache-Control, Last-Event-ID
	// Redirects: redirects are followed, to the same scheme, host and port alone; a request with a body only where its method stays (307, 308).
	Redirects bool
	// Reconnect: when a connection ends or breaks the stream goes on with another one, as an EventSource does. Else the end of the
	// connection is the end of the stream.
	Reconnect bool
	FirstByte time.Duration // from a request to the head of its answer
	Idle      time.Duration // between two bytes: a connection that is silent for longer is given up
	Total     time.Duration // for the whole stream
	// EventBytes is how large an event may be; one that is larger ends the stream.
	EventBytes int
	// LastID is where the stream goes on from; "": it begins.
	LastID string
	// Tried is told of each attempt to connect: whether it was to go on with the stream, and the error where it came to nothing. nil: nobody is.
	Tried func(again bool, err error)
	// Redact cuts secrets out of what is shown of an answer. Required.
	Redact func(string) string
}

// Sink takes what a stream brings, on the goroutine that runs it: while it waits nothing is read, and the other server is held back.
type Sink interface {
	// Events takes events that have come together, in order. lastID is where the stream would go on behind them. An error ends the stream.
	Events(ctx context.Context, events []eventstream.Event, lastID string) error
	// Gap says that events may be missing here: the connection broke, and the stream has no ids to go on from, or the
	// other server counts from the beginning again.
	Gap(ctx context.Context) error
}

// Reason is why a stream has ended.
type Reason string

// The reasons.
const (
	Ended    Reason = "ended"    // the other server has ended it: by 204, or by the end of an answer that is asked for once
	Cut      Reason = "cut"      // the connection broke, and the answer was to be asked for once
	Failed   Reason = "failed"   // the other server does not take us back, or sends what is no event stream
	TimeUp   Reason = "time"     // it has lasted as long as it may
	Canceled Reason = "canceled" // its context has ended
	Refused  Reason = "refused"  // the sink takes no more
)

// End says how a stream ended.
type End struct {
	Reason Reason
	Err    error // with Failed, Cut and Refused: why
}
