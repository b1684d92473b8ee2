package contract

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// queryCases are about ranges, directions and limits.
var queryCases = map[string]func(*tableCase){
	"a query of nothing is empty": func(c *tableCase) {
		if rows := c.query(tenants.Range{Kind: "log/none", Limit: 1000}); len(rows) != 0 {
			c.Errorf("got %d rows, want none", len(rows))
		}
	},
	"every range is what a sorted list would give": func(c *tableCase) {
		var sorts []string
		for b := byte(0x20); b <= 0x7e; b++ {
			sorts = append(sorts, string(b), string(b)+"x", "x"+string(b))
		}
		slices.Sort(sorts)
		sorts = slices.Compact(sorts)
		var ops []tenants.Op
		for _, s := range sorts {
			ops = append(ops, tenants.Put(c.key("list/things", s), []byte(s), time.Time{}, tenants.Absent()))
		}
		rand.Shuffle(len(ops), func(i, j int) { ops[i], ops[j] = ops[j], ops[i] })
		for part := range slices.Chunk(ops, 100) {
			c.write(part...)
		}
		rng := rand.New(rand.NewPCG(1, 2))
		bounds := append([]string{"", "", "", "x", "xx", "yz", "0", "~~"}, sorts...)
		for range 300 {
			r := tenants.Range{
				Kind: "list/things", After: bounds[rng.IntN(len(bounds))], Before: bounds[rng.IntN(len(bounds))],
				Backward: rng.IntN(2) == 0, Limit: 1 + rng.IntN(400),
			}
			if rng.IntN(3) == 0 {
				r.Limit = 1 + rng.IntN(3)
			}
			var want []string
			for _, s := range sorts {
				if s > r.After && (r.Before == "" || s < r.Before) {
					want = append(want, s)
				}
			}
			if r.Backward {
				slices.Reverse(want)
			}
			want = want[:min(len(want), r.Limit)]
			rows := c.query(r)
			if got := sortsOf(rows); !slices.Equal(got, want) {
				c.Fatalf("%+v: got %q, want %q", r, got, want)
			}
			for _, row := range rows {
				if string(row.Body) != row.Sort {
					c.Fatalf("%q has the body %q, want its sort", row.Sort, row.Body)
				}
			}
		}
	},
	"a thousand rows come in one query": func(c *tableCase) {
		for part := range 10 {
			var ops []tenants.Op
			for i := range 100 {
				k := c.key("log/a", fmt.Sprintf("%019d", part*100+i))
				ops = append(ops, tenants.Put(k, []byte("b"), time.Time{}, tenants.Absent()))
			}
			c.write(ops...)
		}
		for _, backward := range []bool{false, true} {
			rows := c.query(tenants.Range{Kind: "log/a", Limit: 1000, Backward: backward})
			if len(rows) != 1000 {
				c.Fatalf("got %d rows, want 1000", len(rows))
			}
			for i, r := range rows {
				if backward {
					i = 999 - i
				}
				if r.Sort != fmt.Sprintf("%019d", i) {
					c.Fatalf("row %d is %s, want %019d", i, r.Sort, i)
				}
			}
		}
	},
	"large rows do not shorten a query": func(c *tableCase) {
		body := make([]byte, 300<<10)
		for i := range body {
			body[i] = byte(rand.Uint32())
		}
		for i := range 12 {
			c.put(c.key("log/a", fmt.Sprintf("%02d", i)), string(body))
		}
		for _, r := range []tenants.Range{
			{Kind: "log/a", Limit: 12}, {Kind: "log/a", Limit: 1000, Backward: true},
			{Kind: "log/a", After: "00", Limit: 11},
		} {
			rows := c.query(r)
			if len(rows) != min(r.Limit, 12) {
				c.Errorf("%+v: got %d rows, want %d", r, len(rows), min(r.Limit, 12))
			}
			for _, row := range rows {
				if string(row.Body) != string(body) {
					c.Errorf("%s has another body than was put", row.Sort)
				}
			}
		}
	},
	"a query sees every write that completed before it": func(c *tableCase) {
		for i := range 50 {
			c.put(c.key("log/a", fmt.Sprintf("%02d", i)), "b")
			if rows := c.query(tenants.Range{Kind: "log/a", Limit: 1000}); len(rows) != i+1 {
				c.Fatalf("got %d rows after %d writes", len(rows), i+1)
			}
		}
		c.write(tenants.Delete(c.key("log/a", "10"), tenants.Anything()))
		if rows := c.query(tenants.Range{Kind: "log/a", Limit: 1000}); slices.Contains(sortsOf(rows), "10") {
			c.Error("a query returns a deleted row")
		}
	},
}
