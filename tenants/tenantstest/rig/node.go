package rig

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// InFleet runs f in a synctest bubble with a number of nodes that have no faults.
func InFleet(t *testing.T, nodes int, f func(t *testing.T, fl *Fleet)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		fl := NewFleet(t, tenantstest.Faults{}, nodes)
		defer fl.Close()
		f(t, fl)
	})
}

// Leases returns the names in the leases, in order.
func (fl *Fleet) Leases() (nodes []string) {
	fl.T.Helper()
	rows, err := fl.Table.Query(context.Background(),
		tenants.Range{Tenant: tenants.System, Kind: "list/nodes", Limit: 1000})
	if err != nil {
		fl.T.Fatal(err)
	}
	for _, row := range rows {
		nodes = append(nodes, row.Sort)
	}
	return nodes
}

// Boxes returns the names of the inboxes, in order.
func (fl *Fleet) Boxes() []string {
	nodes, err := fl.Inboxes.List(context.Background())
	if err != nil {
		fl.T.Fatal(err)
	}
	slices.Sort(nodes)
	return nodes
}
