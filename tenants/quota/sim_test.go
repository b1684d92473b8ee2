package quota_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/node"
	"github.com/hookcast/hookcast/tenants/quota"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/tenantstest/depth"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

// crowd simulates clients that connect to random nodes, stay for a while, leave, and come again.
type crowd struct {
	fl     *rig.Fleet
	limits tenants.Limits
	tenant tenants.TenantID

	mu      sync.Mutex
	wanting int // clients that are connected or want to be
}

// client runs one client until stop is closed. A client that is refused tries again a moment later, at any node.
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
			var seat *rig.Seat
			s := c.fl.Sites[rng.IntN(len(c.fl.Sites))]
			if !s.Killed() {
				seat, _ = s.Connect(quota.Request{Tenant: c.tenant}, c.limits)
			}
			if seat == nil {
				stays = pause(1000)
				continue
			}
			select {
			case <-seat.Gone:
			case <-stop:
			case <-time.After(time.Duration(rng.IntN(5000)) * time.Millisecond):
			}
			s.Disconnect(seat)
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

// limiter simulates clients of three nodes for 30 s, and then kills one node. An observer checks that there are never
// more connections than the limit allows, that nearly all slots are in use whenever enough clients want them, and that
// the dead node's slots are in use again 30 s later. faults lists what was wrong.
type limiter struct {
	seed  uint64
	limit int
	spoil func(tenants.Table) tenants.Table

	crowd
	faults []string

	below, longest int // samples in a row with too few in use: the present number, and the largest
	samples, sum   int // since the last judge; sum adds up the connections
	top            int // the most connections ever
}

// observe counts the connections every 10 ms.
func (q *limiter) observe(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		used := q.fl.Total(q.tenant, nil)
		q.top = max(q.top, used)
		q.mu.Lock()
		wanting := q.wanting
		q.mu.Unlock()
		if wanting < q.limit {
			continue
		}
		q.samples, q.sum = q.samples+1, q.sum+used
		if q.below++; used >= q.limit*9/10 {
			q.below = 0
		}
		q.longest = max(q.longest, q.below)
	}
}

// judge adds to faults what was wrong since the last time. There must be at least so many samples.
func (q *limiter) judge(when string, least int) {
	average := float64(q.sum) / float64(max(1, q.samples))
	if q.longest > 10 || average < 0.95*float64(q.limit) || q.samples < least {
		q.faults = append(q.faults, fmt.Sprintf("%s: too few of %d in use for %d0 ms, %.2f on average, in %d samples",
			when, q.limit, q.longest, average, q.samples))
	}
	q.reset()
}

func (q *limiter) reset() { q.below, q.longest, q.samples, q.sum = 0, 0, 0, 0 }

func (q *limiter) run(t *testing.T) {
	q.fl = rig.NewSpoiledFleet(t, tenantstest.Faults{Seed: q.seed, Latency: 5 * time.Millisecond}, 3, q.spoil)
	q.limits, q.tenant = tenants.Limits{Connections: q.limit}, rig.LogTenant
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for i := range 500 {
		clients.Go(func() { q.client(rand.New(rand.NewPCG(q.seed, uint64(i))), stop) })
	}
	q.observe(3 * time.Second) // until the nodes are full
	q.reset()
	q.observe(27 * time.Second)
	q.judge("with three nodes", 2000)
	q.fl.Sites[0].Kill()
	q.observe(30 * time.Second)
	q.reset()
	q.observe(5 * time.Second)
	q.judge("30 s after a node was killed", 400)
	close(stop)
	clients.Wait()
	time.Sleep(2 * time.Minute) // longer than unused slots stay in a block
	if held := slotsHeld(t, q.fl.Table, q.tenant); held != 0 {
		q.faults = append(q.faults, fmt.Sprintf("%d slots are held without any connection", held))
	}
	if q.top > q.limit {
		q.faults = append(q.faults, fmt.Sprintf("%d were open, want at most %d", q.top, q.limit))
	}
	q.fl.Close()
}

func simulateQuota(t *testing.T, seed uint64, limit int, spoil func(tenants.Table) tenants.Table) []string {
	q := &limiter{seed: seed, limit: limit, spoil: spoil}
	synctest.Test(t, q.run)
	return q.faults
}

func TestQuotaAcrossNodes(t *testing.T) {
	for _, limit := range []int{3, 50} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			for seed := range max(1, depth.Schedules()/200) {
				if faults := simulateQuota(t, seed, limit, rig.Honest); faults != nil {
					t.Fatalf("seed %d: %q", seed, faults)
				}
			}
		})
	}
}

func TestQuotaFindsPlantedFaults(t *testing.T) {
	isNodes := func(k tenants.Kind) bool { return k == "list/nodes" }
	for name, spoil := range map[string]func(tenants.Table) tenants.Table{
		"slots taken without a condition": rig.Unchecked("slots", rig.AnyCondition),
		"a lease that does not end": func(t tenants.Table) tenants.Table {
			return rig.Spoiled{Table: t, Change: func(o tenants.Op) tenants.Op {
				if isNodes(o.Row.Kind) {
					o.Row.Expires = time.Time{}
				}
				return o
			}}
		},
		"a live node that is taken for dead": func(t tenants.Table) tenants.Table { return blind{t} },
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(20) {
				if faults := simulateQuota(t, seed, 50, spoil); faults != nil {
					t.Logf("found by seed %d: %q", seed, faults)
					return
				}
			}
			t.Error("20 schedules did not find the fault")
		})
	}
}

// slotsHeld returns how many slots live nodes hold, as the tenant's row says.
func slotsHeld(t *testing.T, table tenants.Table, tenant tenants.TenantID) (sum int) {
	t.Helper()
	held := rig.HeldBy(t, table, tenants.Key{Tenant: tenant, Kind: "slots", Sort: "all"})
	for name, n := range held {
		if _, err := (rig.Patient{Table: table}).Get(context.Background(), node.Key(name)); err == nil {
			sum += n
		}
	}
	return sum
}

// blind is a table in which nobody sees a lease.
type blind struct{ tenants.Table }

func (b blind) Get(ctx context.Context, k tenants.Key) (tenants.Row, error) {
	if k.Kind == "list/nodes" {
		return tenants.Row{}, tenants.Errorf(tenants.NotFound, "row_not_found", "no such row")
	}
	return b.Table.Get(ctx, k)
}

func (b blind) Query(ctx context.Context, r tenants.Range) ([]tenants.Row, error) {
	if r.Kind == "list/nodes" {
		return nil, ctx.Err()
	}
	return b.Table.Query(ctx, r)
}
