package rig

import (
	"context"
	"slices"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// BadDays returns the faults of one simulated run; the seed chooses their kinds.
func BadDays(seed uint64) tenantstest.Faults {
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

// Honest returns t unchanged: a table without planted defects.
func Honest(t tenants.Table) tenants.Table { return t }

// Spoiled is a table with a planted defect: it changes each op that is written, and may replace Get.
type Spoiled struct {
	tenants.Table
	Change func(tenants.Op) tenants.Op
	GetAs  func(context.Context, tenants.Key) (tenants.Row, error) // nil: the table's own
}

// Get implements tenants.Table.
func (s Spoiled) Get(ctx context.Context, k tenants.Key) (tenants.Row, error) {
	if s.GetAs == nil {
		return s.Table.Get(ctx, k)
	}
	return s.GetAs(ctx, k)
}

// Write implements tenants.Table.
func (s Spoiled) Write(ctx context.Context, ops ...tenants.Op) error {
	return s.Table.Write(ctx, s.all(ops)...)
}

// WriteEach implements tenants.Table.
func (s Spoiled) WriteEach(ctx context.Context, ops ...tenants.Op) (int, error) {
	return s.Table.WriteEach(ctx, s.all(ops)...)
}

func (s Spoiled) all(ops []tenants.Op) []tenants.Op {
	ops = slices.Clone(ops)
	for i := range ops {
		ops[i] = s.Change(ops[i])
	}
	return ops
}

// Unchecked plants a defect: the conditions on rows of the kind that which selects are not checked.
func Unchecked(kind tenants.Kind, which func(tenants.Condition) bool) func(tenants.Table) tenants.Table {
	return func(t tenants.Table) tenants.Table {
		return Spoiled{Table: t, Change: func(o tenants.Op) tenants.Op {
			if o.Row.Kind == kind && which(o.If) {
				o.If = tenants.Anything()
			}
			return o
		}}
	}
}

// AnyCondition selects every condition.
func AnyCondition(tenants.Condition) bool { return true }
