package tenants_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// crowd is clients that connect to nodes at random, stay a while, leave, and come again.
type crowd struct {
	fl     *fleet
	limits tenants.Limits
	tenant tenants.TenantID

	mu      sync.Mutex
	wanting int // clients that are connected or would be
}

// client lives until stop is closed. Where one node has no place for it, it comes back a moment later, to any node.
func (c *crowd) client(rng *rand.Rand, stop <-chan struct{}) {
	pause := func(max int) bool {
		select {
		case <-time.After(time.Duration(rng.IntN(max)+1) * time.Millisecond):
			return true
		case <-stop:
			return false
		}
	}
	for pause(2000) {
		c.want(1)
		for stays := true; stays; {
			var seat *seat
			s := c.fl.sites[rng.IntN(len(c.fl.sites))]
			if !s.Killed() {
				seat, _ = s.connect(tenants.AdmissionRequest{Tenant: c.tenant}, c.limits)
			}
			if seat == nil {
				stays = pause(1000)
				continue
			}
			select {
			case <-seat.gone:
			case <-stop:
			case <-time.After(time.Duration(rng.IntN(5000)) * time.Millisecond):
			}
			s.disconnect(seat)
			break
		}
		c.want(-1)
	}
}

func (c *crowd) want(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wanting += n
}

// Clients connect to three nodes for 30 s, then one of the nodes is killed. An observer counts: never are more connections open than the
// limit allows, nearly all places are taken whenever as many are wanted, and those of the dead node are taken again 30 s later.
func TestQuotaAcrossNodes(t *testing.T) {
	for _, limit := range []int{3, 50} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			for seed := range max(1, *simulated/slower/250) {
				synctest.Test(t, func(t *testing.T) { quotaAcrossNodes(t, seed, limit) })
			}
		})
	}
}

func quotaAcrossNodes(t *testing.T, seed uint64, limit int) {
	fl := newFleet(t, tenantstest.Faults{Seed: seed, Latency: 5 * time.Millisecond}, 3)
	c := &crowd{fl: fl, limits: tenants.Limits{Connections: limit}, tenant: logTenant}
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for i := range 500 {
		clients.Go(func() { c.client(rand.New(rand.NewPCG(seed, uint64(i))), stop) })
	}
	enough := limit * 9 / 10
	below, longest, samples, sum := 0, 0, 0, 0 // below: samples in a row with too few in use; a place that comes free may be so for a moment
	observe := func(d time.Duration, judge bool) {
		for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			used := fl.total(c.tenant, nil)
			if used > limit {
				t.Fatalf("seed %d: %d open, limit %d", seed, used, limit)
			}
			c.mu.Lock()
			wanting := c.wanting
			c.mu.Unlock()
			if !judge || wanting < limit {
				continue
			}
			samples, sum = samples+1, sum+used
			if used < enough {
				below++
			} else {
				below = 0
			}
			longest = max(longest, below)
		}
	}
	observe(3*time.Second, false) // the nodes fill
	observe(27*time.Second, true)
	judge := func(when string, least int) {
		if average := float64(sum) / float64(max(1, samples)); longest > 10 || average < 0.95*float64(limit) || samples < least {
			t.Errorf("seed %d, %s: too few of %d in use for %d0 ms, %.2f on average, in %d samples", seed, when, limit, longest, average, samples)
		}
	}
	judge("with three nodes", 2000)
	fl.sites[0].kill()
	observe(30*time.Second, false)
	below, longest, samples, sum = 0, 0, 0, 0
	observe(5*time.Second, true)
	judge("30 s after a node was killed", 400)
	close(stop)
	clients.Wait()
	time.Sleep(2 * time.Minute) // longer than unused slots stay where they are
	if held := slotsHeld(t, fl.table, c.tenant); held != 0 {
		t.Errorf("seed %d: %d slots are held when nobody is there", seed, held)
	}
	fl.close()
}

// slotsHeld is what living nodes hold by the tenant's row.
func slotsHeld(t *testing.T, table tenants.Table, tenant tenants.TenantID) (sum int) {
	t.Helper()
	held := heldBy(t, table, tenants.Key{Tenant: tenant, Kind: "slots", Sort: "all"})
	for node, n := range held {
		if _, err := (patient{table}).Get(context.Background(), tenants.NodeKey(node)); err == nil {
			sum += n
		}
	}
	return sum
}
