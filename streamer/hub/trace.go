package hub

import (
	"context"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/hidden"
	"github.com/hookcast/hookcast/tenants/trace"
)

// Tracer records what happens to traced events, and the sessions of tenants that trace. Its methods are called with
// locks held and must not block; *tenants.Tracer implements it.
type Tracer interface {
	Step(t tenants.TenantID, event string, received time.Time, h trace.Step)
	Session(t tenants.TenantID, subject string, s trace.Session)
}

const (
	tallyTime = time.Minute // how long the writes of a traced event are counted after its arrival here
	talliesOf = 128         // maximum number of events of one channel that are counted at once
)

// traceTally counts what happens to one traced event on this node. It belongs to the worker that runs the topic.
type traceTally struct {
	changed     bool
	until       int64 // ms; end of the counting
	event       string
	received    time.Time
	came        time.Time
	first, last time.Time // writes
	subscribers int
	connections int
	replayed    int
	bytes       int64
	hidden      map[hidden.Hidden]int
	cut         map[cause]int
	cutAt       time.Time
	denied      []trace.StepDenied
}

// tracingTenants holds the tenants whose sessions are recorded, and until when. The map is replaced, never changed.
type tracingTenants struct {
	at atomic.Pointer[map[tenants.TenantID]time.Time]
}

func (x *tracingTenants) all() map[tenants.TenantID]time.Time {
	if m := x.at.Load(); m != nil {
		return *m
	}
	return nil
}

// tallyOf returns the counter for e, which is marked as traced; nil if it is not counted.
func (t *topic) tallyOf(e *tenants.Event) *traceTally {
	h := t.hub
	if h.o.Tracer == nil {
		return nil
	}
	if y := t.tallies[e.Seq]; y != nil {
		return y
	}
	now := time.Now()
	if len(t.tallies) >= talliesOf || !e.Traced(now) {
		return nil
	}
	if t.tallies == nil {
		t.tallies = make(map[int64]*traceTally)
	}
	y := &traceTally{changed: true, until: h.now() + tallyTime.Milliseconds(), event: e.ID, received: e.Time, came: now,
		subscribers: len(t.subs)}
	t.tallies[e.Seq] = y
	return y
}

// wrote counts a connection that the event was written to, or handed to for a response.
func (y *traceTally) wrote(hides hidden.Hidden, bytes int, replayed bool) {
	y.changed, y.last = true, time.Now()
	if y.first.IsZero() {
		y.first = y.last
	}
	y.connections++
	y.bytes += int64(bytes)
	if replayed {
		y.replayed++
	}
	if hides != "" {
		if y.hidden == nil {
			y.hidden = make(map[hidden.Hidden]int)
		}
		if _, known := y.hidden[hides]; known || len(y.hidden) < formsKept {
			y.hidden[hides]++
		}
	}
}

// traceWritten counts the written frames of the batch, which are its first. c.mu held.
func (r *batch) traceWritten(s *sub, frames int64) {
	begin := 0
	for i := range r.steps[:frames] {
		st := &r.steps[i]
		if st.tally != nil {
			st.tally.wrote(r.hidden, st.end-begin, !s.live)
		}
		begin = st.end
	}
}

// traceCut counts, for each traced event, that s ended without it.
func (t *topic) traceCut(s *sub, why cause) {
	if why == causePolled || why == causeAbandoned || s.index < 0 {
		return
	}
	c := s.conn
	c.mu.Lock()
	pos, p := s.pos, c.principal
	c.mu.Unlock()
	for seq, y := range t.tallies {
		if pos >= seq {
			continue
		}
		if y.cut == nil {
			y.cut = make(map[cause]int)
		}
		y.cut[why]++
		y.changed, y.cutAt = true, time.Now()
		if why == causeDenied && p != nil && len(y.denied) < trace.MaxDenied {
			y.denied = append(y.denied, trace.StepDenied{Connection: c.id, Subject: p.Subject, Roles: p.Roles,
				Channels: p.Channels})
		}
	}
}

// traceTurn records the changed counts once every subscriber had its turn, and ends the counting of old events.
func (t *topic) traceTurn() {
	busy := t.fanAt < len(t.subs) || t.fanAgain
	for seq, y := range t.tallies {
		over := y.until <= t.hub.now()
		if y.changed && (!busy || over) {
			y.changed = false
			t.hub.o.Tracer.Step(t.key.tenant, y.event, y.received, y.hop(t.key.name, t.hub.nodeID()))
		}
		if over {
			delete(t.tallies, seq)
		}
	}
	if len(t.tallies) == 0 {
		t.tallies = nil
	}
}

func (y *traceTally) hop(channel, node string) trace.Step {
	h := trace.Step{
		Name: trace.StepWritten, Node: node, First: y.first.UTC(), At: y.last.UTC(), Subscribers: y.subscribers,
		Connections: y.connections, Replayed: y.replayed, Bytes: y.bytes, Denied: slices.Clone(y.denied),
	}
	if y.connections == 0 {
		h.First, h.At = y.came.UTC(), y.came.UTC()
	}
	for hidden, n := range y.hidden {
		if fields := hidden.Fields(channel); len(fields) > 0 {
			h.Hidden = append(h.Hidden, trace.StepHidden{Fields: fields, Connections: n})
		}
	}
	for why, n := range y.cut {
		if h.Cut == nil {
			h.Cut = make(map[string]int)
		}
		h.Cut[why.String()] = n
		h.CutAt = y.cutAt.UTC()
	}
	return h
}

// traceTenant sets until when the sessions of a tenant are recorded; zero: they are not.
func (h *Hub) traceTenant(t tenants.TenantID, until time.Time) {
	if h.o.Tracer == nil {
		return
	}
	if until.Equal(h.tracing.all()[t]) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	next := maps.Clone(h.tracing.all())
	maps.DeleteFunc(next, func(_ tenants.TenantID, until time.Time) bool { return !now.Before(until) })
	if next == nil {
		next = make(map[tenants.TenantID]time.Time)
	}
	if delete(next, t); now.Before(until) {
		next[t] = until
	}
	h.tracing.at.Store(&next)
}

// askTracing asks whether the tenant traces.
func (h *Hub) askTracing(ctx context.Context, t tenants.TenantID) error {
	if h.o.Tracer == nil || h.o.Tracing == nil {
		return nil
	}
	until, err := h.o.Tracing(ctx, t)
	if err == nil {
		h.traceTenant(t, until)
	}
	return err
}

// traceSession records that the connection has come, or with why that it has ended. c.mu held.
func (c *Conn) traceSession(why string) {
	p := c.principal
	tracing := c.hub.tracing.all()
	if len(tracing) == 0 || p == nil || p.Subject == "" {
		return
	}
	tenant := c.subs[0].topic.key.tenant
	now := time.Now()
	if !now.Before(tracing[tenant]) {
		return
	}
	c.hub.o.Tracer.Session(tenant, p.Subject, trace.Session{
		Connection: c.id, Node: c.hub.nodeID(), At: now.UTC(), Opened: c.opened.UTC(), Ended: why,
		Transport: c.transport, Channels: c.channels(),
		Positions: c.positions(nil),
	})
}
