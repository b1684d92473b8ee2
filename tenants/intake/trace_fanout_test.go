package intake_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

func TestATracedFanOutNamesWhoWasToldAndWhoIsGone(t *testing.T) {
	r := newAppenderRig(tenantstest.Faults{})
	for _, node := range []string{"nod_a", "nod_b", "nod_down", "nod_gone"} {
		r.Register(t, node, "orders")
	}
	r.Register(t, "nod_elsewhere", "returns")
	r.Inboxes.Fail["nod_down"] = tenants.Errorf(tenants.Unavailable, "down", "down") // the message comes again: it is neither told nor gone
	r.Inboxes.Fail["nod_gone"] = tenants.Errorf(tenants.NotFound, "inbox_gone", "gone")
	h := r.FannedOut(t)
	slices.Sort(h.Nodes)
	if !slices.Equal(h.Nodes, []string{"nod_a", "nod_b"}) || !slices.Equal(h.Gone, []string{"nod_gone"}) {
		t.Errorf("%+v", h)
	}
}

func TestATracedFanOutIsBounded(t *testing.T) {
	r := newAppenderRig(tenantstest.Faults{})
	for n := range 500 {
		node := fmt.Sprint("nod_", n)
		r.Register(t, node, "orders")
		if n%2 == 1 {
			r.Inboxes.Fail[node] = tenants.Errorf(tenants.NotFound, "inbox_gone", "gone")
		}
	}
	if h := r.FannedOut(t); len(h.Nodes) != 200 || len(h.Gone) != 200 {
		t.Errorf("%d nodes and %d that are gone are named", len(h.Nodes), len(h.Gone))
	}
}
