package intake_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
	"github.com/hookcast/hookcast/tenants/trace"
)

// fannedOut appends a traced event to the channel orders and returns its step fanned_out.
func fannedOut(t *testing.T, r rig.AppenderRig) trace.Step {
	t.Helper()
	r.Tracer = trace.NewTracer(r.Table, nil)
	e := rig.Made("a", 1)[0]
	e.Time, e.Trace = time.Now(), &tenants.TraceMark{}
	r.Append(t.Context(), rig.Received("orders", e))
	r.Tracer.Flush(t.Context())
	steps, err := trace.NewReader(r.Table).Steps(t.Context(), rig.LogTenant, e.ID)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(steps, func(s trace.Step) bool { return s.Name == trace.StepFannedOut })
	if i < 0 {
		t.Fatalf("got the steps %+v, want one of the fan-out", steps)
	}
	return steps[i]
}

func TestATracedFanOutNamesWhoWasToldAndWhoIsGone(t *testing.T) {
	r := newAppenderRig()
	for _, node := range []string{"nod_a", "nod_b", "nod_down", "nod_gone"} {
		r.Register(t, node, "orders")
	}
	r.Register(t, "nod_elsewhere", "returns")
	// its message comes again: neither told nor gone
	r.Inboxes.Fail["nod_down"] = tenants.Errorf(tenants.Unavailable, "down", "down")
	r.Inboxes.Fail["nod_gone"] = tenants.Errorf(tenants.NotFound, "inbox_gone", "gone")
	step := fannedOut(t, r)
	slices.Sort(step.Nodes)
	if !slices.Equal(step.Nodes, []string{"nod_a", "nod_b"}) || !slices.Equal(step.Gone, []string{"nod_gone"}) {
		t.Errorf("got %+v, want nod_a and nod_b told and nod_gone gone", step)
	}
}

func TestATracedFanOutIsBounded(t *testing.T) {
	r := newAppenderRig()
	for n := range 500 {
		node := fmt.Sprint("nod_", n)
		r.Register(t, node, "orders")
		if n%2 == 1 {
			r.Inboxes.Fail[node] = tenants.Errorf(tenants.NotFound, "inbox_gone", "gone")
		}
	}
	if step := fannedOut(t, r); len(step.Nodes) != 200 || len(step.Gone) != 200 {
		t.Errorf("got %d nodes told and %d gone, want 200 of each", len(step.Nodes), len(step.Gone))
	}
}
