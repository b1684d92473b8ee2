package quota_test

import (
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/tenantstest/depth"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

// TestSlotBlocks runs many short schedules of what TestQuotaAcrossNodes does at length: a few nodes, a few slots, a
// table that fails in every way, and a node that is killed. There are never more connections than the limit allows,
// and no slot is held after all clients have left.
func TestSlotBlocks(t *testing.T) {
	for seed := range depth.Schedules() {
		if top, limit, held := simulateSlots(t, seed, rig.Honest); top > limit || held != 0 {
			t.Fatalf("seed %d: %d were open, want at most %d; %d slots are held at the end, want 0", seed, top,
				limit, held)
		}
	}
}

func TestSlotBlocksFindsPlantedFaults(t *testing.T) {
	for name, spoil := range map[string]func(tenants.Table) tenants.Table{
		"slots taken without a condition":    rig.Unchecked("slots", rig.AnyCondition),
		"a live node that is taken for dead": func(t tenants.Table) tenants.Table { return blind{t} },
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(500) {
				if top, limit, _ := simulateSlots(t, seed, spoil); top > limit {
					t.Logf("found by seed %d", seed)
					return
				}
			}
			t.Error("500 schedules did not find the fault")
		})
	}
}

func simulateSlots(t *testing.T, seed uint64, spoil func(tenants.Table) tenants.Table) (top, limit, held int) {
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(seed, 1))
		limit = 1 + rng.IntN(8)
		faults := tenantstest.Faults{Seed: seed, Latency: 20 * time.Millisecond}
		fl := rig.NewSpoiledFleet(t, faults, 0, spoil)
		faults.Lost, faults.Stored, faults.Unread, faults.Frozen, faults.FrozenFor = .05, .05, .05, .01, 2*time.Second
		fl.Table = tenantstest.NewTable(faults) // the inboxes do not fail
		for range 2 + rng.IntN(2) {
			fl.Add()
		}
		c := crowd{fl: fl, limits: tenants.Limits{Connections: limit}, tenant: rig.LogTenant}
		stop := make(chan struct{})
		var clients sync.WaitGroup
		for i := range 1 + rng.IntN(3*limit) {
			clients.Go(func() { c.client(rand.New(rand.NewPCG(seed, uint64(2+i))), stop) })
		}
		dies := time.Duration(rng.IntN(12)) * time.Second
		for began := time.Now(); time.Since(began) < 10*time.Second; time.Sleep(20 * time.Millisecond) {
			top = max(top, fl.Total(rig.LogTenant, nil))
			if dies > 0 && time.Since(began) >= dies {
				dies = 0
				fl.Sites[0].Kill()
			}
		}
		close(stop)
		clients.Wait()
		time.Sleep(3 * time.Minute) // longer than a lease, and than unused slots stay in a block
		held = slotsHeld(t, fl.Table, rig.LogTenant)
		fl.Close()
	})
	return top, limit, held
}
