package projection_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/projection"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

var january = time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)

func newUsage(f tenantstest.Faults) (*projection.MonthlyUsage, *tenantstest.Table) {
	table := tenantstest.NewTable(f)
	return projection.NewMonthlyUsage(table), table
}

// Batches come repeatedly, in parts, out of order and to several processes at once. Each event counts once.
func TestUsageCountsEachEventOnce(t *testing.T) {
	u, _ := newUsage(tenantstest.Faults{})
	var all []tenants.Change
	for seq := range int64(40) {
		all = append(all, rig.Logged("ten_a", "orders", seq+1, january), rig.Logged("ten_b", "orders", seq+1, january))
	}
	all = append(all, rig.Logged("ten_a", "returns", 1, january),
		tenants.Change{Row: tenants.Row{Key: tenants.Key{Tenant: "ten_a", Kind: "version"}}},
		tenants.Change{Deleted: true,
			Row: tenants.Row{Key: tenants.Key{Tenant: "ten_a", Kind: "log/orders", Sort: "x"}}})
	rng := rand.New(rand.NewPCG(1, 2))
	done := make(chan error)
	for range 4 {
		cs := slices.Clone(all)
		rng.Shuffle(len(cs), func(i, j int) { cs[i], cs[j] = cs[j], cs[i] })
		go func() {
			for batch := range slices.Chunk(cs, 7) {
				if _, err := u.Count(context.WithoutCancel(t.Context()), batch); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	rig.WantUsage(t, u, "ten_a", january, 41)
	rig.WantUsage(t, u, "ten_b", january, 40)
	rig.WantUsage(t, u, "ten_c", january, 0)
	rig.WantUsage(t, u, "ten_a", january.AddDate(0, 1, 0), 0)
}

func TestUsageIsPerMonthOfUTC(t *testing.T) {
	u, _ := newUsage(tenantstest.Faults{})
	last := time.Date(2026, 1, 31, 23, 59, 59, 0, time.UTC)
	rig.Count(t, u, rig.Logged("ten_a", "c", 1, january), rig.Logged("ten_a", "c", 2, last),
		rig.Logged("ten_a", "c", 3, last.Add(time.Second)),
		rig.Logged("ten_a", "c", 4, last.In(time.FixedZone("", 3*3600)).Add(2*time.Second)))
	rig.WantUsage(t, u, "ten_a", last, 2)
	rig.WantUsage(t, u, "ten_a", time.Date(2026, 2, 28, 0, 0, 0, 0, time.FixedZone("", -3600)), 2)
}

// Events whose times are not in the order of their numbers at the end of a month count in the earlier one alone.
func TestEventsOutOfTheirMonthsOrderCountInOneOfThem(t *testing.T) {
	u, _ := newUsage(tenantstest.Faults{})
	february := january.AddDate(0, 1, 0)
	for seq := range int64(100) {
		at := january
		if seq >= 50 && seq != 79 {
			at = february
		}
		rig.Count(t, u, rig.Logged("ten_a", "c", seq+1, at))
	}
	rig.WantUsage(t, u, "ten_a", january, 80)
	rig.WantUsage(t, u, "ten_a", february, 20)
}

func TestWhatCannotBeCountedIsNamed(t *testing.T) {
	u, table := newUsage(tenantstest.Faults{})
	junk := tenants.Change{Row: tenants.Row{Key: tenants.Key{Tenant: "ten_a", Kind: "log/junk", Sort: "x"},
		Body: []byte("junk")}}
	table.Fail(tenantstest.Lost, func(c tenantstest.Call) bool {
		return c.Method == "Write" && c.Keys[0].Sort == "down"
	})
	cs := []tenants.Change{rig.Logged("ten_a", "up", 1, january), junk, rig.Logged("ten_a", "down", 1, january),
		rig.Logged("ten_a", "up", 2, january), rig.Logged("ten_a", "down", 2, january)}
	failed, err := u.Count(t.Context(), cs)
	if !slices.Equal(failed, []int{1, 2, 4}) || err == nil {
		t.Errorf("Count: got failed %v, %v, want [1 2 4] and an error", failed, err)
	}
	rig.WantUsage(t, u, "ten_a", january, 2)
	if failed, _ := u.Count(t.Context(), cs); !slices.Equal(failed, []int{1}) {
		t.Errorf("Count again: got failed %v, want [1]", failed)
	}
	rig.WantUsage(t, u, "ten_a", january, 4)
}
