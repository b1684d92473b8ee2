package eventlog_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/tenantstest"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

// An append of a batch fails at every point, with both outcomes. Then others append to the channel in many orders.
func TestAppendAfterACrashAtEveryPoint(t *testing.T) {
	batch, other := rig.Made("a", 4), rig.Made("x", 2)
	type cut struct {
		name string
		plan func(*tenantstest.Table)
		seed uint64
	}
	onClaim := func(i int) func(tenantstest.Call) bool {
		return func(c tenantstest.Call) bool { return c.Method == "Write" && c.Keys[0].Sort == batch[i].ID }
	}
	onRows := func(c tenantstest.Call) bool { return c.Method == "WriteEach" }
	var cuts []cut
	for outcome, word := range map[tenantstest.Outcome]string{tenantstest.Lost: "lost", tenantstest.Stored: "stored"} {
		for i := range batch {
			name := fmt.Sprintf("claim %d %s", i+1, word)
			cuts = append(cuts, cut{name: name, plan: func(t *tenantstest.Table) { t.Fail(outcome, onClaim(i)) }})
		}
	}
	cuts = append(cuts,
		cut{name: "two claims lost", plan: func(t *tenantstest.Table) {
			t.Fail(tenantstest.Lost, onClaim(0))
			t.Fail(tenantstest.Lost, onClaim(2))
		}},
		cut{name: "rows stored", plan: func(t *tenantstest.Table) { t.Fail(tenantstest.Stored, onRows) }})
	for seed := range uint64(24) { // the seed decides how many of the rows are stored
		name := fmt.Sprintf("rows lost %d", seed)
		cuts = append(cuts, cut{name, func(t *tenantstest.Table) { t.Fail(tenantstest.Lost, onRows) }, seed})
	}

	aftermaths := map[string][][]tenants.Event{
		"again":                         {batch},
		"one after the other":           {batch[:1], batch[1:2], batch[2:3], batch[3:]},
		"backwards":                     {batch[3:], batch[2:3], batch[1:2], batch[:1]},
		"from the middle":               {batch[2:], batch},
		"without the third":             {{batch[0], batch[1], batch[3]}, batch[2:3]},
		"another before":                {other, batch},
		"others between":                {batch[3:], other[:1], batch[1:3], other[1:], batch[:1]},
		"others in the same batch":      {{other[0], batch[0], batch[1], other[1], batch[2], batch[3]}},
		"others before, then backwards": {other, batch[3:], batch[2:3], batch[1:2], batch[:1]},
	}
	for _, c := range cuts {
		for name, after := range aftermaths {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				for _, before := range []int{0, 3} { // an empty channel, and one with events
					table := tenantstest.NewTable(tenantstest.Faults{Seed: c.seed})
					l := eventlog.New(table)
					sent := slices.Concat(rig.Made("old", before), batch)
					if before > 0 {
						rig.MustAppend(t, l, "orders", rig.Made("old", before)...)
					}
					c.plan(table)
					placed, err := l.Append(context.Background(), rig.LogTenant, "orders", batch)
					if tenants.KindOf(err) != tenants.Unavailable || err == nil {
						t.Fatalf("the failed append: got %d events, %v, want an error of kind Unavailable", len(placed),
							err)
					}
					for i, events := range after {
						if i%2 == 0 { // a new process, and then one whose memory may be out of date
							l = eventlog.New(table)
						}
						rig.MustAppend(t, l, "orders", events...)
						for _, e := range events {
							known := slices.ContainsFunc(sent, func(s tenants.Event) bool { return s.ID == e.ID })
							if e.Data[0] == 'x' && !known {
								sent = append(sent, e)
							}
						}
					}
					rig.CheckLog(t, table, "orders", sent)
				}
			})
		}
	}
}

// A worker stops after its claims, before its rows. Others do its work, or other work. Then it continues where it
// stopped.
func TestAFrozenAppenderFindsTheWorldChanged(t *testing.T) {
	batch, other := rig.Made("a", 4), rig.Made("x", 3)
	for name, meanwhile := range map[string][][]tenants.Event{
		"nothing else happened":    {},
		"everything was appended":  {batch},
		"the first was appended":   {batch[:1]},
		"the last was appended":    {batch[3:]},
		"appended backwards":       {batch[3:], batch[2:3], batch[1:2], batch[:1]},
		"others were appended":     {other},
		"one other was appended":   {other[:1]},
		"others in between":        {other[:1], batch[2:3], other[1:], batch[:1]},
		"the middle was appended":  {batch[1:3]},
		"the last two, and others": {batch[2:], other},
	} {
		for _, at := range []tenantstest.Moment{tenantstest.BeforeActing, tenantstest.BeforeReturning} {
			t.Run(fmt.Sprintf("%s/%d", name, at), func(t *testing.T) {
				table := rig.NewTable()
				rig.MustAppend(t, eventlog.New(table), "orders", rig.Made("old", 2)...)
				ice := table.Freeze(at, func(c tenantstest.Call) bool {
					return c.Caller == "frozen" && c.Method == "WriteEach"
				})
				thawed := make(chan error)
				go func() {
					ctx := tenantstest.WithCaller(context.Background(), "frozen")
					placed, err := eventlog.New(table).Append(ctx, rig.LogTenant, "orders", batch)
					if err == nil && len(placed) != len(batch) {
						err = fmt.Errorf("got %d events, want %d", len(placed), len(batch))
					}
					thawed <- err
				}()
				<-ice.Reached()
				sent := slices.Concat(rig.Made("old", 2), batch)
				l := eventlog.New(table)
				for _, events := range meanwhile {
					rig.MustAppend(t, l, "orders", events...)
					if events[0].Data[0] == 'x' {
						sent = append(sent, events...)
					}
				}
				ice.Thaw()
				if err := <-thawed; err != nil {
					t.Fatalf("the frozen append: %v", err)
				}
				rig.CheckLog(t, table, "orders", sent)
			})
		}
	}
}
