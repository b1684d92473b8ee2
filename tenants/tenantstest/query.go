package tenantstest

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// Query implements tenants.Table. A torn query lets time pass, and then returns of each row that was written
// meanwhile either the version from its start or the one from its end.
func (t *Table) Query(ctx context.Context, r tenants.Range) ([]tenants.Row, error) {
	checkRange(r)
	key := tenants.Key{Tenant: r.Tenant, Kind: r.Kind}
	f, err := t.begin(ctx, Call{Method: "Query", Keys: []tenants.Key{key}}, rollName(key))
	if err != nil {
		return nil, err
	}
	found := t.inRange(r)
	if f.rng.Float64() < f.faults.Torn {
		sleep(ctx, time.Duration(1+f.rng.Int64N(int64(max(4*f.faults.Latency, time.Millisecond)))))
		found = tear(f, found, t.inRange(r))
	}
	out := pick(r, found)
	if err := f.endRead(ctx, nil); err != nil {
		return nil, err
	}
	return out, nil
}

func (t *Table) inRange(r tenants.Range) map[string]*tenants.Row {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.parts[partition{r.Tenant, r.Kind}]
	if p == nil {
		return nil
	}
	from, ok := slices.BinarySearch(p.sorts, r.After)
	if ok {
		from++
	}
	to := len(p.sorts)
	if r.Before != "" {
		to, _ = slices.BinarySearch(p.sorts, r.Before)
	}
	found := map[string]*tenants.Row{}
	for _, s := range p.sorts[from:max(from, to)] {
		found[s] = p.bySort[s]
	}
	return found
}

func tear(f *fate, before, after map[string]*tenants.Row) map[string]*tenants.Row {
	all := maps.Clone(before)
	if all == nil {
		all = map[string]*tenants.Row{}
	}
	maps.Copy(all, after)
	torn := map[string]*tenants.Row{}
	for _, s := range slices.Sorted(maps.Keys(all)) { // in order, so that a seed repeats its choices
		row := after[s]
		if row != before[s] && f.rng.IntN(2) == 0 {
			row = before[s]
		}
		if row != nil {
			torn[s] = row
		}
	}
	return torn
}

func pick(r tenants.Range, found map[string]*tenants.Row) []tenants.Row {
	sorts := slices.Sorted(maps.Keys(found))
	if r.Backward {
		slices.Reverse(sorts)
	}
	now := time.Now()
	var out []tenants.Row
	for _, s := range sorts {
		if len(out) == r.Limit {
			break
		}
		if live(found[s], now) {
			out = append(out, copyRow(found[s]))
		}
	}
	return out
}
