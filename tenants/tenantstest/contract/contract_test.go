package contract_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/tenantstest/contract"
)

func TestSimulatedTableKeepsItsContract(t *testing.T) {
	contract.TestTable(t, contract.TableHarness{
		New:    func(*testing.T) tenants.Table { return tenantstest.NewTable(tenantstest.Faults{}) },
		Bubble: synctest.Test,
	})
}

// Latency lets callers interleave; what a suite expects must hold all the same.
func TestSlowSimulatedTableKeepsItsContract(t *testing.T) {
	contract.TestTable(t, contract.TableHarness{
		New: func(*testing.T) tenants.Table {
			return tenantstest.NewTable(tenantstest.Faults{Latency: 50 * time.Microsecond, Torn: 0.5})
		},
		Bubble: synctest.Test,
	})
}

func TestSimulatedFeedKeepsItsContract(t *testing.T) {
	contract.TestFeed(t, contract.FeedHarness{
		New: func(*testing.T) (tenants.Table, tenants.Feed) {
			table := tenantstest.NewTable(tenantstest.Faults{})
			return table, table.Feed()
		},
		Bubble: synctest.Test,
	})
}

func TestSimulatedQueueKeepsItsContract(t *testing.T) {
	for _, latency := range []time.Duration{0, time.Millisecond} {
		t.Run(latency.String(), func(t *testing.T) {
			contract.TestQueue(t, contract.QueueHarness{
				New: func(*testing.T, bool) (q, dead tenants.Queue) {
					s := tenantstest.NewQueue(tenantstest.QueueOptions{
						Visibility: 5 * time.Second, MaxReceives: 3, Faults: tenantstest.Faults{Latency: latency},
					})
					return s, s.DeadLetters()
				},
				Visibility: 5 * time.Second, MaxReceives: 3, Bubble: synctest.Test,
			})
		})
	}
}

func TestSimulatedVaultKeepsItsContract(t *testing.T) {
	contract.TestVault(t, func(*testing.T) tenants.Vault { return tenantstest.NewVault() })
}
