package tenants

import (
	"context"
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

// samples tells whether an event of that id is among those to trace. A provider's retry has the same id, and so the same answer.
func (t Tracing) samples(id string, now time.Time) bool {
	if !t.On(now) {
		return false
	}
	sum := hashParts("trace", id)
	return t.Sample >= 1 || float64(binary.BigEndian.Uint64(sum[:8])) < t.Sample*math.MaxUint64
}

// TraceMark goes with an event that is traced.
type TraceMark struct {
	Verified time.Time `json:",omitzero"` // when the signature had been verified; zero: it came under a credential
	Enqueued time.Time `json:",omitzero"` // when the queue had it
}

const (
	// traceLife is how long what was recorded of an event is kept, counted from its receipt, and of a session from its row.
	traceLife = 24 * time.Hour
	// tracesPerSecond is how many events of one tenant a process begins to trace.
	tracesPerSecond = 20
)

// marker marks the events that are to be traced, wherever they come from. A process has one for each way in.
type marker struct{ begun *Rate[TenantID] }

func newMarker() marker { return marker{NewRate[TenantID](10_000)} }

// mark is what goes with e if it is to be traced, else nil.
func (m marker) mark(e Event, terms Terms, now time.Time) *TraceMark {
	if !terms.Limits.tracing.samples(e.ID, now) {
		return nil
	}
	if _, ok := m.begun.Take(e.Tenant, tracesPerSecond, 1); !ok {
		return nil
	}
	return &TraceMark{Verified: terms.verified.UTC(), Enqueued: now.UTC()}
}

// Traced tells whether what becomes of the event is to be recorded: it was marked, and what was recorded of it is still kept.
func (e *Event) Traced(now time.Time) bool {
	return e.Trace != nil && now.Sub(e.Time) < traceLife
}

// SetTracing turns tracing on for so long (at most TracingAtMost), or off where sample is 0. Every process goes by it within 5 s, and nodes are told.
// Refused values: Unprocessable.
func (a *Accounts) SetTracing(ctx context.Context, id TenantID, sample float64, lasts time.Duration) (Tracing, error) {
	var set Tracing
	if sample != 0 {
		switch {
		case !(sample > 0 && sample <= 1):
			return set, refused("/sample", "invalid_sample", "sample must be above 0, and at most 1")
		case lasts <= 0 || lasts > TracingAtMost:
			return set, refused("/minutes", "invalid_minutes", "minutes must be 1 to 60")
		}
		now := time.Now().UTC()
		set = Tracing{Since: now, Until: now.Add(lasts), Sample: sample}
	}
	_, err := a.edit(ctx, id, func(t *Tenant) error {
		if was := t.Tracing; was.On(set.Since) && set.On(set.Since) {
			set.Since = was.Since
		}
		t.Tracing = set
		return nil
	})
	return set, err
}
