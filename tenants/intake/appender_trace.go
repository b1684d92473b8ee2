package intake

import (
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/trace"
)

// traceAppended takes down that events have got their numbers since began. Who reads the log may have them before the appender knows.
func (a *Appender) traceAppended(events []tenants.Event, began time.Time) {
	if a.Tracer == nil {
		return
	}
	now := time.Now()
	for i := range events {
		if e := &events[i]; e.Traced(now) {
			a.Tracer.Step(e.Tenant, e.ID, e.Time, trace.Step{Name: trace.StepAppended, At: began.UTC(), Took: now.Sub(began)})
		}
	}
}

// fanOutTrace is the telling of nodes about events of which some are traced. Nil: none is.
type fanOutTrace struct {
	a      *Appender
	events []tenants.Event
	nodes  []string
	began  time.Time
	errs   []error // by node; each written by who tells that node
}

func (a *Appender) traceFanOut(events []tenants.Event, nodes []string) *fanOutTrace {
	if a.Tracer == nil {
		return nil
	}
	now := time.Now()
	for i := range events {
		if events[i].Traced(now) {
			return &fanOutTrace{a, events, nodes, now, make([]error, len(nodes))}
		}
	}
	return nil
}

func (f *fanOutTrace) told(i int, err error) {
	if f != nil {
		f.errs[i] = err
	}
}

// end takes it down, once every node was told or could not be.
func (f *fanOutTrace) end() {
	if f == nil {
		return
	}
	h := trace.Step{Name: trace.StepFannedOut, At: f.began.UTC(), Took: time.Since(f.began)}
	for i, node := range f.nodes {
		switch {
		case f.errs[i] == nil && len(h.Nodes) < trace.MaxNodes:
			h.Nodes = append(h.Nodes, node)
		case tenants.IsNotFound(f.errs[i]) && len(h.Gone) < trace.MaxNodes:
			h.Gone = append(h.Gone, node)
		}
	}
	for i := range f.events {
		if e := &f.events[i]; e.Traced(f.began) {
			f.a.Tracer.Step(e.Tenant, e.ID, e.Time, h)
		}
	}
}
