package rig

import (
	"slices"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/trace"
)

// FannedOut appends a traced event to the channel orders and returns what is recorded of its telling.
func (r AppenderRig) FannedOut(t *testing.T) trace.Step {
	t.Helper()
	r.Tracer = trace.NewTracer(r.Table, nil)
	e := Made("a", 1)[0]
	e.Time, e.Trace = time.Now(), &tenants.TraceMark{}
	r.Append(t.Context(), Received("orders", e))
	r.Tracer.Flush(t.Context())
	hops, err := trace.NewReader(r.Table).Steps(t.Context(), LogTenant, e.ID)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(hops, func(h trace.Step) bool { return h.Name == trace.StepFannedOut })
	if i < 0 {
		t.Fatalf("nothing is recorded of a fan-out: %+v", hops)
	}
	return hops[i]
}
