package contract

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// TableHarness gives TestTable access to the Table under test.
type TableHarness struct {
	// New returns a Table. It may return the same one each time, because each case uses a tenant of its own.
	New func(t *testing.T) tenants.Table

	// Bubble is synctest.Test if the Table works in a bubble. Otherwise time is real, and cases that wait long are
	// skipped.
	Bubble func(t *testing.T, f func(t *testing.T))
}

// TestTable tests that a Table keeps its contract.
func TestTable(t *testing.T, h TableHarness) {
	for _, group := range []map[string]func(*tableCase){
		rowCases, conditionCases, writeCases, queryCases, expiryCases, contentionCases,
	} {
		for name, f := range group {
			t.Run(name, func(t *testing.T) { h.around(t, f) })
		}
	}
	if h.Bubble != nil {
		for name, f := range waitingTableCases {
			t.Run(name, func(t *testing.T) { h.around(t, f) })
		}
	}
}

func (h TableHarness) around(t *testing.T, f func(*tableCase)) {
	t.Helper()
	bubble(t, h.Bubble, func(t *testing.T) {
		f(&tableCase{T: t, ctx: t.Context(), table: h.New(t), tenant: newTenant()})
	})
}

func bubble(t *testing.T, b func(*testing.T, func(*testing.T)), f func(*testing.T)) {
	t.Helper()
	if b == nil {
		f(t)
		return
	}
	b(t, f)
}

func newTenant() tenants.TenantID { return tenants.TenantID(tenants.NewID(tenants.PrefixTenant)) }

// tableCase is the fixture of one case of TestTable.
type tableCase struct {
	*testing.T
	ctx    context.Context
	table  tenants.Table
	tenant tenants.TenantID
}

func (c *tableCase) key(kind tenants.Kind, sort string) tenants.Key {
	return tenants.Key{Tenant: c.tenant, Kind: kind, Sort: sort}
}

func (c *tableCase) write(ops ...tenants.Op) {
	c.Helper()
	if err := c.table.Write(c.ctx, ops...); err != nil {
		c.Fatalf("Write: %v", err)
	}
}

func (c *tableCase) put(k tenants.Key, body string) {
	c.Helper()
	c.write(tenants.Put(k, []byte(body), time.Time{}, tenants.Anything()))
}

func (c *tableCase) get(k tenants.Key) tenants.Row {
	c.Helper()
	row, err := c.table.Get(c.ctx, k)
	if err != nil {
		c.Fatalf("Get %v: %v", k, err)
	}
	if row.Key != k {
		c.Errorf("Get %v returned the row %v", k, row.Key)
	}
	return row
}

func (c *tableCase) holds(k tenants.Key, body string) {
	c.Helper()
	if row := c.get(k); !bytes.Equal(row.Body, []byte(body)) {
		c.Errorf("%v holds %.40q, want %.40q", k, row.Body, body)
	}
}

func (c *tableCase) missing(k tenants.Key) {
	c.Helper()
	row, err := c.table.Get(c.ctx, k)
	if tenants.KindOf(err) != tenants.NotFound || tenants.CodeOf(err) != "row_not_found" {
		c.Errorf("Get %v: version %d, error %v, want row_not_found", k, row.Version, err)
	}
}

func (c *tableCase) query(r tenants.Range) []tenants.Row {
	c.Helper()
	r.Tenant = c.tenant
	rows, err := c.table.Query(c.ctx, r)
	if err != nil {
		c.Fatalf("Query %+v: %v", r, err)
	}
	if len(rows) > r.Limit {
		c.Errorf("Query %+v returned %d rows, more than its limit", r, len(rows))
	}
	for _, row := range rows {
		if row.Tenant != r.Tenant || row.Kind != r.Kind || row.Version < 1 {
			c.Errorf("Query %+v returned %+v, which is not in its range", r, row.Key)
		}
	}
	return rows
}

// refused expects err to say that op i was refused.
func (c *tableCase) refused(err error, i int) {
	c.Helper()
	r, ok := errors.AsType[*tenants.RefusedError](err)
	if !ok {
		c.Errorf("got error %v, want op %d refused", err, i)
	} else if r.Op != i {
		c.Errorf("got op %d refused, want op %d", r.Op, i)
	}
}

func sortsOf(rows []tenants.Row) []string {
	s := make([]string, len(rows))
	for i, r := range rows {
		s[i] = r.Sort
	}
	return s
}
