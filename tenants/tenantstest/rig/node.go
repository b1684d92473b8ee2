package rig

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// InFleet runs f on nodes whose time is the test's.
func InFleet(t *testing.T, nodes int, f func(t *testing.T, fl *Fleet)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		fl := NewFleet(t, tenantstest.Faults{}, nodes)
		defer fl.Close()
		f(t, fl)
	})
}

func (fl *Fleet) Leases() (nodes []string) {
	fl.T.Helper()
	rows, err := fl.Table.Query(context.Background(), tenants.Range{Tenant: tenants.System, Kind: "list/nodes", Limit: 1000})
	if err != nil {
		fl.T.Fatal(err)
	}
	for _, row := range rows {
		nodes = append(nodes, row.Sort)
	}
	return nodes
}

func (fl *Fleet) Boxes() []string {
	nodes, err := fl.Inboxes.List(context.Background())
	if err != nil {
		fl.T.Fatal(err)
	}
	slices.Sort(nodes)
	return nodes
}
