package tenants

import (
	"encoding/binary"
	"math"
	"time"
)

// Tracing is a tenant's switch for having the ways of its events recorded. It turns itself off.
//
// Whether an event is traced is decided once, where it comes in, and goes with it as its Trace: who meets the event later asks nobody, and
// pays a comparison with nil where it is not.
type Tracing struct {
	Since  time.Time // when it was turned on
	Until  time.Time // off from then on; zero: off
	Sample float64   // which part of the events, above 0 to 1
}

// TracingAtMost is how long tracing stays on at most.
const TracingAtMost = time.Hour

// On tells whether it is on.
func (t Tracing) On(now time.Time) bool { return now.Before(t.Until) }

// Samples tells whether an event of that id is among those to trace. A provider's retry has the same id, and so the same answer.
func (t Tracing) Samples(id string, now time.Time) bool {
	if !t.On(now) {
		return false
	}
	sum := HashParts("trace", id)
	return t.Sample >= 1 || float64(binary.BigEndian.Uint64(sum[:8])) < t.Sample*math.MaxUint64
}

// TraceMark goes with an event that is traced.
type TraceMark struct {
	Verified time.Time `json:",omitzero"` // when the signature had been verified; zero: it came under a credential
	Enqueued time.Time `json:",omitzero"` // when the queue had it
}

const (
	// traceLife is how long what was recorded of an event is kept, counted from its receipt, and of a session from its row.
	TraceLife = 24 * time.Hour
)

// Traced tells whether what becomes of the event is to be recorded: it was marked, and what was recorded of it is still kept.
func (e *Event) Traced(now time.Time) bool {
	return e.Trace != nil && now.Sub(e.Time) < TraceLife
}
