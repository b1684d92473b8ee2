package tenantstest

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// Table is a simulated tenants.Table. Expired rows stay in it, hidden, until Sweep is called.
type Table struct {
	Trouble

	mu    sync.Mutex
	parts map[partition]*rows
	feeds []*Feed
}

var _ tenants.Table = (*Table)(nil)

type partition struct {
	tenant tenants.TenantID
	kind   tenants.Kind
}

// rows are the rows of one tenant and kind. A stored row is replaced but never modified, so its pointer identifies
// one put.
type rows struct {
	bySort map[string]*tenants.Row
	sorts  []string // sorted; empty unless the kind is ordered
}

// NewTable returns an empty Table.
func NewTable(f Faults) *Table {
	return &Table{Trouble: newTrouble(f), parts: map[partition]*rows{}}
}

// Get implements tenants.Table.
func (t *Table) Get(ctx context.Context, k tenants.Key) (tenants.Row, error) {
	checkKey(k)
	f, err := t.begin(ctx, Call{Method: "Get", Keys: []tenants.Key{k}}, rollName(k))
	if err != nil {
		return tenants.Row{}, err
	}
	t.mu.Lock()
	row := t.alive(k)
	t.mu.Unlock()
	if row == nil {
		return tenants.Row{}, f.endRead(ctx, tenants.Errorf(tenants.NotFound, "row_not_found", "no such row"))
	}
	if err := f.endRead(ctx, nil); err != nil {
		return tenants.Row{}, err
	}
	return copyRow(row), nil
}

// Write implements tenants.Table.
func (t *Table) Write(ctx context.Context, ops ...tenants.Op) error {
	checkWrite(ops)
	f, err := t.begin(ctx, Call{Method: "Write", Keys: keysOf(ops)}, rollName(ops[0].Row.Key))
	if err != nil {
		return err
	}
	if f.outcome == Lost {
		return errUnavailable
	}
	return f.end(ctx, t.apply(ops))
}

// WriteEach implements tenants.Table.
func (t *Table) WriteEach(ctx context.Context, ops ...tenants.Op) (int, error) {
	if len(ops) == 0 {
		return 0, ended(ctx)
	}
	for _, o := range ops {
		checkOp(o)
	}
	f, err := t.begin(ctx, Call{Method: "WriteEach", Keys: keysOf(ops)}, rollName(ops[0].Row.Key))
	if err != nil {
		return 0, err
	}
	acts := len(ops)
	if f.outcome == Lost {
		acts = f.rng.IntN(len(ops))
	}
	done := 0
	for ; done < acts && err == nil; done++ {
		if done > 0 && f.faults.Latency > 0 { // a round trip each: others can write in between
			sleep(ctx, time.Duration(f.rng.Int64N(int64(f.faults.Latency))))
			if err := ended(ctx); err != nil {
				return f.rng.IntN(done + 1), err
			}
		}
		if err := t.apply(ops[done : done+1]); err != nil {
			return done, f.end(ctx, &tenants.RefusedError{Op: done})
		}
	}
	if f.outcome == Lost {
		err = errUnavailable
	}
	if err = f.end(ctx, err); err != nil {
		done = f.rng.IntN(done + 1)
	}
	return done, err
}

// Sweep removes expired rows, as an engine does from time to time.
func (t *Table) Sweep() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.parts {
		for _, row := range p.bySort {
			if !live(row, time.Now()) {
				t.remove(row.Key)
			}
		}
	}
}

// Left returns the sorted keys of the tenant's rows that have not expired.
func (t *Table) Left(tenant tenants.TenantID) (keys []tenants.Key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for pk, p := range t.parts {
		for _, row := range p.bySort {
			if pk.tenant == tenant && live(row, time.Now()) {
				keys = append(keys, row.Key)
			}
		}
	}
	slices.SortFunc(keys, func(a, b tenants.Key) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Sort, b.Sort))
	})
	return keys
}

func (t *Table) apply(ops []tenants.Op) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, o := range ops {
		if !holds(o.If, t.alive(o.Row.Key)) {
			return &tenants.RefusedError{Op: i}
		}
	}
	for _, o := range ops {
		switch o.Action {
		case tenants.ActionPut:
			t.put(o)
		case tenants.ActionDelete:
			t.remove(o.Row.Key)
		}
	}
	return nil
}

func holds(c tenants.Condition, row *tenants.Row) bool {
	if v, ok := c.Version(); ok {
		return row != nil && row.Version == v
	}
	return !c.IsAbsent() || row == nil
}

func (t *Table) put(o tenants.Op) {
	row := copyRow(&o.Row)
	row.Version = 1
	old := t.stored(row.Key)
	if old != nil && !o.If.IsAbsent() {
		row.Version = old.Version + 1
	}
	row.Expires = wholeSecond(row.Expires)
	pk := partition{row.Tenant, row.Kind}
	p := t.parts[pk]
	if p == nil {
		p = &rows{bySort: map[string]*tenants.Row{}}
		t.parts[pk] = p
	}
	if old == nil && row.Kind.Ordered() {
		at, _ := slices.BinarySearch(p.sorts, row.Sort)
		p.sorts = slices.Insert(p.sorts, at, row.Sort)
	}
	p.bySort[row.Sort] = &row
	t.tell(tenants.Change{Row: row})
}

func (t *Table) remove(k tenants.Key) {
	if t.stored(k) == nil {
		return
	}
	p := t.parts[partition{k.Tenant, k.Kind}]
	delete(p.bySort, k.Sort)
	if at, ok := slices.BinarySearch(p.sorts, k.Sort); ok {
		p.sorts = slices.Delete(p.sorts, at, at+1)
	}
	t.tell(tenants.Change{Row: tenants.Row{Key: k}, Deleted: true})
}

func (t *Table) tell(c tenants.Change) {
	for _, f := range t.feeds {
		f.add(c)
	}
}

// stored returns the row in storage, even if it has expired; alive returns it only if it has not.
func (t *Table) stored(k tenants.Key) *tenants.Row {
	if p := t.parts[partition{k.Tenant, k.Kind}]; p != nil {
		return p.bySort[k.Sort]
	}
	return nil
}

func (t *Table) alive(k tenants.Key) *tenants.Row {
	row := t.stored(k)
	if row == nil || !live(row, time.Now()) {
		return nil
	}
	return row
}

func live(row *tenants.Row, now time.Time) bool {
	return row.Expires.IsZero() || now.Before(row.Expires)
}

// wholeSecond rounds an expiry up, as every Table does: a row lives at least until its expiry.
func wholeSecond(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	if t.Nanosecond() > 0 {
		return time.Unix(t.Unix()+1, 0)
	}
	return time.Unix(t.Unix(), 0)
}

func copyRow(r *tenants.Row) tenants.Row {
	c := *r
	c.Body = slices.Clone(r.Body)
	return c
}

func keysOf(ops []tenants.Op) []tenants.Key {
	ks := make([]tenants.Key, len(ops))
	for i, o := range ops {
		ks[i] = o.Row.Key
	}
	return ks
}

func rollName(k tenants.Key) string {
	return string(k.Tenant) + "\x00" + string(k.Kind) + "\x00" + k.Sort
}
