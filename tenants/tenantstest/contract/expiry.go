package contract

import (
	"fmt"
	"slices"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// expiryCases are about rows past their expiry, which do not exist, whether or not the engine has removed them.
var expiryCases = map[string]func(*tableCase){
	"an expiry comes back, rounded up to the second": func(c *tableCase) {
		whole := time.Now().Add(time.Hour).Truncate(time.Second)
		for i, e := range []struct{ put, want time.Time }{
			{whole, whole},
			{whole.Add(1), whole.Add(time.Second)},
			{whole.Add(999 * time.Millisecond), whole.Add(time.Second)},
			{time.Time{}, time.Time{}},
			{whole.AddDate(100, 0, 0), whole.AddDate(100, 0, 0)},
		} {
			k := c.key("log/a", fmt.Sprint(i))
			c.write(tenants.Put(k, nil, e.put, tenants.Absent()))
			if got := c.get(k).Expires; !got.Equal(e.want) || got.IsZero() != e.want.IsZero() {
				c.Errorf("put %v, got %v, want %v", e.put, got, e.want)
			}
			if got := c.query(tenants.Range{Kind: "log/a", Backward: true, Limit: 1})[0].Expires; !got.Equal(e.want) {
				c.Errorf("put %v, queried %v, want %v", e.put, got, e.want)
			}
		}
	},
	"an expired row is hidden": func(c *tableCase) {
		for _, ago := range []time.Duration{2 * time.Second, time.Hour, 20 * 365 * 24 * time.Hour} {
			for _, kind := range []tenants.Kind{"evt", "log/a"} {
				k := c.key(kind, ago.String())
				c.write(tenants.Put(k, []byte("b"), time.Now().Add(-ago), tenants.Absent()))
				c.missing(k)
			}
		}
		if rows := c.query(tenants.Range{Kind: "log/a", Limit: 10}); len(rows) != 0 {
			c.Errorf("a query returned %d expired rows, want none", len(rows))
		}
	},
	"expired rows do not use up a query's limit": func(c *tableCase) {
		var want []string
		for i := range 60 {
			k, expires := c.key("log/a", fmt.Sprintf("%02d", i)), time.Time{}
			if i%3 != 0 {
				expires = time.Now().Add(-time.Hour)
			} else {
				want = append(want, k.Sort)
			}
			c.write(tenants.Put(k, []byte("b"), expires, tenants.Absent()))
		}
		if got := sortsOf(c.query(tenants.Range{Kind: "log/a", Limit: 7})); !slices.Equal(got, want[:7]) {
			c.Errorf("got %q, want %q", got, want[:7])
		}
		slices.Reverse(want)
		if got := sortsOf(c.query(tenants.Range{Kind: "log/a", Limit: 7, Backward: true})); !slices.Equal(got,
			want[:7]) {
			c.Errorf("backward: got %q, want %q", got, want[:7])
		}
		if got := c.query(tenants.Range{Kind: "log/a", Limit: 1000}); len(got) != 20 {
			c.Errorf("got %d rows, want 20", len(got))
		}
	},
	"a put replaces the expiry": func(c *tableCase) {
		k := c.key("evt", "a")
		c.write(tenants.Put(k, []byte("1"), time.Now().Add(time.Hour), tenants.Absent()))
		c.write(tenants.Put(k, []byte("2"), time.Time{}, tenants.At(1)))
		if row := c.get(k); !row.Expires.IsZero() {
			c.Errorf("got the expiry %v, want none", row.Expires)
		}
		c.write(tenants.Put(k, []byte("3"), time.Now().Add(-time.Hour), tenants.At(2)))
		c.missing(k)
		c.write(tenants.Put(k, []byte("4"), time.Time{}, tenants.Anything()))
		c.holds(k, "4")
	},
	"only one of many takes an expired row's place": func(c *tableCase) {
		k := c.key("evt", "a")
		for range 5 {
			c.write(tenants.Put(k, []byte("old"), time.Now().Add(-time.Minute), tenants.Anything()))
			wins := race(c, 8, func(i int) error {
				return c.table.Write(c.ctx, tenants.Put(k, fmt.Append(nil, i), time.Time{}, tenants.Absent()))
			})
			if len(wins) != 1 {
				c.Fatalf("got winners %v, want one", wins)
			}
			c.holds(k, fmt.Sprint(wins[0]))
		}
	},
}

// waitingTableCases wait for an expiry, in a bubble where that takes no time.
var waitingTableCases = map[string]func(*tableCase){
	"a row lives up to its expiry and not past it": func(c *tableCase) {
		k := c.key("log/a", "1")
		expires := time.Now().Add(90 * time.Second).Truncate(time.Second)
		c.write(tenants.Put(k, []byte("b"), expires, tenants.Absent()))
		time.Sleep(time.Until(expires) - time.Millisecond)
		c.holds(k, "b")
		c.refused(c.table.Write(c.ctx, tenants.Check(k, tenants.Absent())), 0)
		time.Sleep(2 * time.Millisecond)
		c.missing(k)
		if rows := c.query(tenants.Range{Kind: "log/a", Limit: 1}); len(rows) != 0 {
			c.Error("a query returns the expired row")
		}
		c.refused(c.table.Write(c.ctx, tenants.Check(k, tenants.At(1))), 0)
		c.write(tenants.Put(k, []byte("again"), time.Time{}, tenants.Absent()))
		c.holds(k, "again")
		if v := c.get(k).Version; v != 1 {
			c.Errorf("got version %d, want 1", v)
		}
		time.Sleep(48 * time.Hour)
		c.holds(k, "again")
	},
}
