package tenants_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

var january = time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)

// logged is the change of an event that was appended.
func logged(t tenants.TenantID, channel string, seq int64, at time.Time) tenants.Change {
	e := tenants.Event{ID: tenants.NewID(tenants.PrefixEvent), Tenant: t, Channel: channel, Seq: seq, Time: at}
	return tenants.Change{Row: tenants.Row{Key: tenants.Key{Tenant: t, Kind: tenants.Kind("log/" + channel), Sort: "x"}, Version: 1, Body: tenants.EncodeEvent(e)}}
}

func count(t *testing.T, u *tenants.MonthlyUsage, cs ...tenants.Change) {
	t.Helper()
	if failed, err := u.Count(t.Context(), cs); failed != nil || err != nil {
		t.Fatalf("failed %v, %v", failed, err)
	}
}

func wantUsage(t *testing.T, u *tenants.MonthlyUsage, tenant tenants.TenantID, month time.Time, want int64) {
	t.Helper()
	if got, err := u.Month(t.Context(), tenant, month); err != nil || got != want {
		t.Errorf("%s in %s: %d, %v, want %d", tenant, month.Format("2006-01"), got, err, want)
	}
}

func newUsage(f tenantstest.Faults) (*tenants.MonthlyUsage, *tenantstest.Table) {
	table := tenantstest.NewTable(f)
	return tenants.NewMonthlyUsage(table), table
}

// Batches come again, in parts, out of order and to several at once; each event counts once.
func TestUsageCountsEachEventOnce(t *testing.T) {
	u, _ := newUsage(tenantstest.Faults{})
	var all []tenants.Change
	for seq := range int64(40) {
		all = append(all, logged("ten_a", "orders", seq+1, january), logged("ten_b", "orders", seq+1, january))
	}
	all = append(all, logged("ten_a", "returns", 1, january),
		tenants.Change{Row: tenants.Row{Key: tenants.Key{Tenant: "ten_a", Kind: "version"}}},
		tenants.Change{Deleted: true, Row: tenants.Row{Key: tenants.Key{Tenant: "ten_a", Kind: "log/orders", Sort: "x"}}})
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
	wantUsage(t, u, "ten_a", january, 41)
	wantUsage(t, u, "ten_b", january, 40)
	wantUsage(t, u, "ten_c", january, 0)
	wantUsage(t, u, "ten_a", january.AddDate(0, 1, 0), 0)
}

func TestUsageIsPerMonthOfUTC(t *testing.T) {
	u, _ := newUsage(tenantstest.Faults{})
	last := time.Date(2026, 1, 31, 23, 59, 59, 0, time.UTC)
	count(t, u, logged("ten_a", "c", 1, january), logged("ten_a", "c", 2, last), logged("ten_a", "c", 3, last.Add(time.Second)),
		logged("ten_a", "c", 4, last.In(time.FixedZone("", 3*3600)).Add(2*time.Second)))
	wantUsage(t, u, "ten_a", last, 2)
	wantUsage(t, u, "ten_a", time.Date(2026, 2, 28, 0, 0, 0, 0, time.FixedZone("", -3600)), 2)
}

// Events that waited over the end of a month behind others come under the earlier one, and only there.
func TestEventsOutOfTheirMonthsOrderCountInOneOfThem(t *testing.T) {
	u, _ := newUsage(tenantstest.Faults{})
	february := january.AddDate(0, 1, 0)
	for seq := range int64(100) {
		at := january
		if seq >= 50 && seq != 79 {
			at = february
		}
		count(t, u, logged("ten_a", "c", seq+1, at))
	}
	wantUsage(t, u, "ten_a", january, 80)
	wantUsage(t, u, "ten_a", february, 20)
}

func TestWhatCannotBeCountedIsNamed(t *testing.T) {
	u, table := newUsage(tenantstest.Faults{})
	junk := tenants.Change{Row: tenants.Row{Key: tenants.Key{Tenant: "ten_a", Kind: "log/junk", Sort: "x"}, Body: []byte("junk")}}
	table.Fail(tenantstest.Lost, func(c tenantstest.Call) bool { return c.Method == "Write" && c.Keys[0].Sort == "down" })
	cs := []tenants.Change{logged("ten_a", "up", 1, january), junk, logged("ten_a", "down", 1, january), logged("ten_a", "up", 2, january), logged("ten_a", "down", 2, january)}
	failed, err := u.Count(t.Context(), cs)
	if !slices.Equal(failed, []int{1, 2, 4}) || err == nil {
		t.Errorf("failed %v, %v", failed, err)
	}
	wantUsage(t, u, "ten_a", january, 2)
	if failed, _ := u.Count(t.Context(), cs); !slices.Equal(failed, []int{1}) {
		t.Errorf("when they came again %v failed", failed)
	}
	wantUsage(t, u, "ten_a", january, 4)
}
