package eventlog_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/tenantstest/depth"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

// raceAppenders lets several processes append runs of the same events at once, each until its run is in the log. It
// returns what is wrong with the log afterwards.
func raceAppenders(t *testing.T, seed uint64, spoil func(tenants.Table) tenants.Table) (faults []string) {
	rng := rand.New(rand.NewPCG(seed, 1))
	table := tenantstest.NewTable(rig.BadDays(seed))
	events := rig.Made("a", 3+rng.IntN(10))
	var mu sync.Mutex
	found := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		faults = append(faults, fmt.Sprintf(format, args...))
	}
	var all sync.WaitGroup
	for w := range 2 + rng.IntN(3) {
		rng := rand.New(rand.NewPCG(seed, uint64(w+2)))
		l := eventlog.New(spoil(table))
		var runs [][]tenants.Event
		if w == 0 { // one that appends everything
			for rest := events; len(rest) > 0; {
				n := 1 + rng.IntN(len(rest))
				runs, rest = append(runs, rest[:n]), rest[n:]
			}
		} else {
			for range 1 + rng.IntN(4) {
				from := rng.IntN(len(events))
				runs = append(runs, events[from:from+1+rng.IntN(len(events)-from)])
			}
		}
		all.Go(func() {
			for _, run := range runs {
				time.Sleep(time.Duration(rng.IntN(30)) * time.Millisecond)
				for tries := 0; ; tries++ {
					placed, err := l.Append(context.Background(), rig.LogTenant, "orders", run)
					for i, e := range placed {
						if string(e.Data) != string(run[i].Data) || e.Seq < 1 {
							found("Append of %s returned %s, number %d", run[i].Data, e.Data, e.Seq)
						}
					}
					run = run[len(placed):]
					if err == nil {
						break
					}
					if tries == 200 {
						found("no success after 200 tries: %v", err)
						return
					}
					if rng.IntN(4) == 0 {
						l = eventlog.New(spoil(table)) // another process takes over
					}
				}
			}
		})
	}
	all.Wait()
	return append(faults, rig.FaultsOfLog(t, rig.Patient{Table: table}, "orders", events)...)
}

func TestRacingAppenders(t *testing.T) {
	for seed := range 2 * depth.Schedules() {
		synctest.Test(t, func(t *testing.T) {
			if faults := raceAppenders(t, seed, rig.Honest); faults != nil {
				t.Fatalf("seed %d: %q", seed, faults)
			}
		})
	}
}

// The race finds each of these faults when it is planted.
func TestRacingAppendersFindsPlantedFaults(t *testing.T) {
	same := func(o tenants.Op) tenants.Op { return o }
	isLog := func(k tenants.Kind) bool { return k == "log/orders" }
	isClaim := func(k tenants.Kind) bool { return k == "evt" }
	atVersion := func(c tenants.Condition) bool { _, ok := c.Version(); return ok }
	for name, spoil := range map[string]func(tenants.Table) tenants.Table{
		"a row put at a used number (a stale tail)": rig.Unchecked("log/orders", rig.AnyCondition),
		"a claim put over another":                  rig.Unchecked("evt", tenants.Condition.IsAbsent),
		"a claim read before the tail, and moved": func(t tenants.Table) tenants.Table {
			s := rig.Unchecked("evt", atVersion)(t).(rig.Spoiled)
			s.GetAs = remembering(t, isClaim)
			return s
		},
		"the row that the claim names is not read": func(t tenants.Table) tenants.Table {
			return rig.Spoiled{Table: t, Change: same,
				GetAs: func(ctx context.Context, k tenants.Key) (tenants.Row, error) {
					if isLog(k.Kind) {
						return tenants.Row{}, tenants.Errorf(tenants.NotFound, "row_not_found", "planted")
					}
					return t.Get(ctx, k)
				}}
		},
		"a head moved back": rig.Unchecked("head", rig.AnyCondition),
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(2000) {
				var faults []string
				synctest.Test(t, func(t *testing.T) { faults = raceAppenders(t, seed, spoil) })
				if faults != nil {
					t.Logf("found by seed %d: %s", seed, fmt.Sprint(faults))
					return
				}
			}
			t.Error("2000 schedules did not find the planted fault")
		})
	}
}

// remembering reads each row of the kind once and returns the same row from then on.
func remembering(t tenants.Table,
	kind func(tenants.Kind) bool) func(context.Context, tenants.Key) (tenants.Row, error) {
	var mu sync.Mutex
	rows := make(map[tenants.Key]tenants.Row)
	return func(ctx context.Context, k tenants.Key) (tenants.Row, error) {
		mu.Lock()
		row, ok := rows[k]
		mu.Unlock()
		if ok {
			return row, nil
		}
		row, err := t.Get(ctx, k)
		if err == nil && kind(k.Kind) {
			mu.Lock()
			rows[k] = row
			mu.Unlock()
		}
		return row, err
	}
}
