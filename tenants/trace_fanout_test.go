package tenants_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// fannedOut appends a traced event to the channel orders and returns what is recorded of its telling.
func (r appenderRig) fannedOut(t *testing.T) tenants.Hop {
	t.Helper()
	r.Tracer = tenants.NewTracer(r.table, nil)
	e := made("a", 1)[0]
	e.Time, e.Trace = time.Now(), &tenants.TraceMark{}
	r.Append(t.Context(), received("orders", e))
	r.Tracer.Flush(t.Context())
	hops, err := tenants.NewTraces(r.table).Hops(t.Context(), logTenant, e.ID)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(hops, func(h tenants.Hop) bool { return h.Name == tenants.HopFannedOut })
	if i < 0 {
		t.Fatalf("nothing is recorded of a fan-out: %+v", hops)
	}
	return hops[i]
}

func TestATracedFanOutNamesWhoWasToldAndWhoIsGone(t *testing.T) {
	r := newAppenderRig(tenantstest.Faults{})
	for _, node := range []string{"nod_a", "nod_b", "nod_down", "nod_gone"} {
		r.register(t, node, "orders")
	}
	r.register(t, "nod_elsewhere", "returns")
	r.inboxes.fail["nod_down"] = tenants.Errorf(tenants.Unavailable, "down", "down") // the message comes again: it is neither told nor gone
	r.inboxes.fail["nod_gone"] = tenants.Errorf(tenants.NotFound, "inbox_gone", "gone")
	h := r.fannedOut(t)
	slices.Sort(h.Nodes)
	if !slices.Equal(h.Nodes, []string{"nod_a", "nod_b"}) || !slices.Equal(h.Gone, []string{"nod_gone"}) {
		t.Errorf("%+v", h)
	}
}

func TestATracedFanOutIsBounded(t *testing.T) {
	r := newAppenderRig(tenantstest.Faults{})
	for n := range 500 {
		node := fmt.Sprint("nod_", n)
		r.register(t, node, "orders")
		if n%2 == 1 {
			r.inboxes.fail[node] = tenants.Errorf(tenants.NotFound, "inbox_gone", "gone")
		}
	}
	if h := r.fannedOut(t); len(h.Nodes) != 200 || len(h.Gone) != 200 {
		t.Errorf("%d nodes and %d that are gone are named", len(h.Nodes), len(h.Gone))
	}
}
