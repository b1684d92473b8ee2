package tenants_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/tenantstest/depth"
)

// badDays is a table on a day of the seed's choice.
func badDays(seed uint64) tenantstest.Faults {
	f := tenantstest.Faults{Seed: seed, Latency: 10 * time.Millisecond, Torn: 0.3}
	if seed%2 == 1 {
		f.Lost, f.Stored, f.Unread = 0.08, 0.08, 0.05
	}
	if seed%3 == 1 {
		f.Frozen, f.FrozenFor = 0.03, time.Second
	}
	if seed%12 == 4 {
		f.Frozen, f.FrozenFor = 0.03, 2*time.Minute
	}
	return f
}

// raceAppenders lets several processes append runs of the same events at once, again and again until each run is in, and
// returns what is wrong with the log afterwards.
func raceAppenders(t *testing.T, seed uint64, spoil func(tenants.Table) tenants.Table) (faults []string) {
	rng := rand.New(rand.NewPCG(seed, 1))
	table := tenantstest.NewTable(badDays(seed))
	events := made("a", 3+rng.IntN(10))
	var mu sync.Mutex
	found := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		faults = append(faults, fmt.Sprintf(format, args...))
	}
	var all sync.WaitGroup
	for w := range 2 + rng.IntN(3) {
		rng := rand.New(rand.NewPCG(seed, uint64(w+2)))
		l := tenants.NewLog(spoil(table))
		var runs [][]tenants.Event
		if w == 0 { // one that is sure to do everything
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
					placed, err := l.Append(context.Background(), logTenant, "orders", run)
					for i, e := range placed {
						if string(e.Data) != string(run[i].Data) || e.Seq < 1 {
							found("%s came back as %s, number %d", run[i].Data, e.Data, e.Seq)
						}
					}
					run = run[len(placed):]
					if err == nil {
						break
					}
					if tries == 200 {
						found("no success in sight: %v", err)
						return
					}
					if rng.IntN(4) == 0 {
						l = tenants.NewLog(spoil(table)) // another process takes over
					}
				}
			}
		})
	}
	all.Wait()
	return append(faults, faultsOfLog(t, patient{table}, "orders", events)...)
}

func honest(t tenants.Table) tenants.Table { return t }

func TestRacingAppenders(t *testing.T) {
	for seed := range 2 * depth.Schedules() {
		synctest.Test(t, func(t *testing.T) {
			if faults := raceAppenders(t, seed, honest); faults != nil {
				t.Fatalf("seed %d: %q", seed, faults)
			}
		})
	}
}

// spoiled is a Table whose writes and reads are changed: a defect planted into the log from outside.
type spoiled struct {
	tenants.Table
	change func(tenants.Op) tenants.Op
	get    func(context.Context, tenants.Key) (tenants.Row, error)
}

func (s spoiled) Get(ctx context.Context, k tenants.Key) (tenants.Row, error) {
	if s.get == nil {
		return s.Table.Get(ctx, k)
	}
	return s.get(ctx, k)
}

func (s spoiled) Write(ctx context.Context, ops ...tenants.Op) error {
	return s.Table.Write(ctx, s.all(ops)...)
}

func (s spoiled) WriteEach(ctx context.Context, ops ...tenants.Op) (int, error) {
	return s.Table.WriteEach(ctx, s.all(ops)...)
}

func (s spoiled) all(ops []tenants.Op) []tenants.Op {
	ops = slices.Clone(ops)
	for i := range ops {
		ops[i] = s.change(ops[i])
	}
	return ops
}

// unchecked plants that writes of rows of the kind are done whether their condition holds or not.
func unchecked(kind tenants.Kind, which func(tenants.Condition) bool) func(tenants.Table) tenants.Table {
	return func(t tenants.Table) tenants.Table {
		return spoiled{Table: t, change: func(o tenants.Op) tenants.Op {
			if o.Row.Kind == kind && which(o.If) {
				o.If = tenants.Anything()
			}
			return o
		}}
	}
}

func anyCondition(tenants.Condition) bool { return true }

// The race is only worth its time if it finds what it is there for.
func TestRacingAppendersFindsPlantedFaults(t *testing.T) {
	same := func(o tenants.Op) tenants.Op { return o }
	isLog := func(k tenants.Kind) bool { return k == "log/orders" }
	isClaim := func(k tenants.Kind) bool { return k == "evt" }
	atVersion := func(c tenants.Condition) bool { _, ok := c.Version(); return ok }
	for name, spoil := range map[string]func(tenants.Table) tenants.Table{
		"a row put whether its number is taken or not (a stale tail)": unchecked("log/orders", anyCondition),
		"a claim made whether there is one or not":                    unchecked("evt", tenants.Condition.IsAbsent),
		"a claim read before the tail, and moved by that": func(t tenants.Table) tenants.Table {
			s := unchecked("evt", atVersion)(t).(spoiled)
			s.get = remembering(t, isClaim)
			return s
		},
		"the row that the claim names not looked at": func(t tenants.Table) tenants.Table {
			return spoiled{Table: t, change: same, get: func(ctx context.Context, k tenants.Key) (tenants.Row, error) {
				if isLog(k.Kind) {
					return tenants.Row{}, tenants.Errorf(tenants.NotFound, "row_not_found", "planted")
				}
				return t.Get(ctx, k)
			}}
		},
		"a head put back": unchecked("head", anyCondition),
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
			t.Error("2000 schedules did not find it")
		})
	}
}

// remembering reads each row of the kind once, and gives it again ever after.
func remembering(t tenants.Table, kind func(tenants.Kind) bool) func(context.Context, tenants.Key) (tenants.Row, error) {
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
