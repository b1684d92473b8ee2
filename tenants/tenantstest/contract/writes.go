package contract

import (
	"fmt"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// writeCases are about atomicity, order, and the versions of rows.
var writeCases = map[string]func(*tableCase){
	"a write of 100 ops is all or nothing": func(c *tableCase) {
		for _, refuse := range []int{-1, 0, 50, 99} {
			ops := make([]tenants.Op, 100)
			for i := range ops {
				kind := tenants.Kind([]string{"evt", "log/a", "log/b"}[i%3])
				ops[i] = tenants.Put(c.key(kind, fmt.Sprintf("%d/%d", refuse, i)), []byte("b"), time.Time{},
					tenants.Absent())
			}
			if refuse >= 0 {
				ops[refuse].If = tenants.At(7)
			}
			err := c.table.Write(c.ctx, ops...)
			if refuse < 0 && err != nil {
				c.Fatal(err)
			}
			if refuse >= 0 {
				c.refused(err, refuse)
			}
			for _, o := range ops {
				if refuse < 0 {
					c.holds(o.Row.Key, "b")
				} else {
					c.missing(o.Row.Key)
				}
			}
		}
	},
	"the first of several refusals is named": func(c *tableCase) {
		k := func(i int) tenants.Key { return c.key("evt", fmt.Sprint(i)) }
		err := c.table.Write(c.ctx,
			tenants.Put(k(0), nil, time.Time{}, tenants.Absent()),
			tenants.Check(k(1), tenants.Absent()),
			tenants.Delete(k(2), tenants.At(1)),
			tenants.Put(k(3), nil, time.Time{}, tenants.At(1)),
		)
		c.refused(err, 2)
	},
	"a write takes puts, deletes and checks of several tenants together": func(c *tableCase) {
		other := newTenant()
		there := tenants.Key{Tenant: other, Kind: "source", Sort: "a"}
		c.put(there, "old")
		c.put(c.key("evt", "gone"), "b")
		c.write(
			tenants.Put(c.key("evt", "new"), []byte("n"), time.Time{}, tenants.Absent()),
			tenants.Delete(c.key("evt", "gone"), tenants.Anything()),
			tenants.Check(there, tenants.At(c.get(there).Version)),
			tenants.Put(tenants.Key{Tenant: tenants.System, Kind: "source", Sort: string(other)}, []byte("s"),
				time.Time{}, tenants.Absent()),
		)
		c.holds(c.key("evt", "new"), "n")
		c.missing(c.key("evt", "gone"))
		c.holds(there, "old")
		c.holds(tenants.Key{Tenant: tenants.System, Kind: "source", Sort: string(other)}, "s")
	},
	"deleting what is not there succeeds under anything": func(c *tableCase) {
		c.write(tenants.Delete(c.key("evt", "a"), tenants.Anything()),
			tenants.Delete(c.key("log/a", "a"), tenants.Anything()))
		c.missing(c.key("evt", "a"))
	},
	"versions grow with each put": func(c *tableCase) {
		k := c.key("head", "a")
		last := int64(0)
		for i := range 20 {
			cond := tenants.Anything()
			if i%2 == 1 {
				cond = tenants.At(last)
			}
			c.write(tenants.Put(k, []byte("b"), time.Time{}, cond))
			v := c.get(k).Version
			if v <= last || i%2 == 1 && v != last+1 {
				c.Fatalf("got version %d after %d", v, last)
			}
			last = v
		}
	},
	"a row whose conditions another op of the same write would change is judged as it was before": func(c *tableCase) {
		a, b := c.key("evt", "a"), c.key("evt", "b")
		c.put(a, "1")
		err := c.table.Write(c.ctx, tenants.Delete(a, tenants.Anything()), tenants.Check(b, tenants.At(1)))
		c.refused(err, 1)
		c.holds(a, "1")
	},
	"WriteEach does each op on what the one before it left": func(c *tableCase) {
		k := c.key("log/a", "1")
		done, err := c.table.WriteEach(c.ctx,
			tenants.Put(k, []byte("1"), time.Time{}, tenants.Absent()),
			tenants.Put(k, []byte("2"), time.Time{}, tenants.At(1)),
			tenants.Delete(k, tenants.At(2)),
			tenants.Put(k, []byte("3"), time.Time{}, tenants.Absent()),
		)
		if done != 4 || err != nil {
			c.Fatalf("got %d done, %v; want 4", done, err)
		}
		c.holds(k, "3")
	},
	"WriteEach of none does nothing": func(c *tableCase) {
		if done, err := c.table.WriteEach(c.ctx); done != 0 || err != nil {
			c.Errorf("got %d done, %v; want 0", done, err)
		}
	},
	"WriteEach stops at the first refusal": func(c *tableCase) {
		for refuse := range 5 {
			kind := tenants.Kind(fmt.Sprintf("log/%d", refuse))
			c.put(c.key(kind, fmt.Sprint(refuse)), "taken")
			var ops []tenants.Op
			for i := range 5 {
				ops = append(ops, tenants.Put(c.key(kind, fmt.Sprint(i)), []byte("b"), time.Time{}, tenants.Absent()))
			}
			done, err := c.table.WriteEach(c.ctx, ops...)
			if done != refuse {
				c.Errorf("got %d done, want %d", done, refuse)
			}
			c.refused(err, refuse)
			if rows := c.query(tenants.Range{Kind: kind, Limit: 10}); len(rows) != refuse+1 {
				c.Errorf("got %d rows, want %d", len(rows), refuse+1)
			}
		}
	},
	"WriteEach takes more ops than a write": func(c *tableCase) {
		var ops []tenants.Op
		for i := range 250 {
			ops = append(ops, tenants.Put(c.key("log/a", fmt.Sprintf("%03d", i)), []byte("b"), time.Time{},
				tenants.Absent()))
		}
		if done, err := c.table.WriteEach(c.ctx, ops...); done != 250 || err != nil {
			c.Fatalf("got %d done, %v; want 250", done, err)
		}
		if rows := c.query(tenants.Range{Kind: "log/a", Limit: 1000}); len(rows) != 250 {
			c.Errorf("got %d rows, want 250", len(rows))
		}
	},
}
