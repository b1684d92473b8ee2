package intake

import (
	"slices"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/trace"
)

// traceAppended records that the traced ones of events were appended. The step starts at began, since a node that reads
// the log may send an event before the appender knows that it is stored.
func (a *Appender) traceAppended(events []tenants.Event, began time.Time) {
	now := time.Now()
	a.record(events, now, trace.Step{Name: trace.StepAppended, At: began.UTC(), Took: now.Sub(began)})
}

// record records a step of those events that are traced at the given time.
func (a *Appender) record(events []tenants.Event, at time.Time, step trace.Step) {
	if a.Tracer == nil {
		return
	}
	for i := range events {
		if e := &events[i]; e.Traced(at) {
			a.Tracer.Step(e.Tenant, e.ID, e.Time, step)
		}
	}
}

// traceFanOut records that the nodes were told of events since began; errs has the outcome for each node.
func (a *Appender) traceFanOut(events []tenants.Event, nodes []string, errs []error, began time.Time) {
	traced := func(e tenants.Event) bool { return e.Traced(began) }
	if a.Tracer == nil || !slices.ContainsFunc(events, traced) {
		return
	}
	step := trace.Step{Name: trace.StepFannedOut, At: began.UTC(), Took: time.Since(began)}
	for i, node := range nodes {
		switch {
		case errs[i] == nil && len(step.Nodes) < trace.MaxNodes:
			step.Nodes = append(step.Nodes, node)
		case tenants.IsNotFound(errs[i]) && len(step.Gone) < trace.MaxNodes:
			step.Gone = append(step.Gone, node)
		}
	}
	a.record(events, began, step)
}
