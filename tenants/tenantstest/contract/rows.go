package contract

import (
	"context"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// rowCases are about the content of rows, and about who sees it.
var rowCases = map[string]func(*tableCase){
	"a row comes back as it was put": func(c *tableCase) {
		every := make([]byte, 256)
		for i := range every {
			every[i] = byte(i)
		}
		large := make([]byte, tenantstest.MaxBody)
		for i := range large {
			large[i] = byte(rand.Uint32())
		}
		for name, body := range map[string][]byte{
			"empty": {}, "nil": nil, "one zero": {0}, "every byte": every, "390 KB": large,
			"390 KB of one byte": make([]byte, tenantstest.MaxBody),
		} {
			for _, k := range []tenants.Key{c.key("evt", name), c.key("list/things", name)} {
				c.put(k, string(body))
				c.holds(k, string(body))
				if row := c.get(k); row.Version != 1 && row.Version < 1 || !row.Expires.IsZero() {
					c.Errorf("got version %d and expiry %v, want at least 1 and none", row.Version, row.Expires)
				}
			}
		}
	},
	"a row that was never put is not found": func(c *tableCase) {
		c.missing(c.key("evt", "a"))
		c.missing(c.key("tenant", ""))
		c.missing(c.key("log/a", "a"))
	},
	"a point kind has a row with an empty sort": func(c *tableCase) {
		c.put(c.key("tenant", ""), "record")
		c.holds(c.key("tenant", ""), "record")
	},
	"sorts differ by every byte": func(c *tableCase) {
		sorts := []string{"1", "01", "1.0", "1e0", "a", "A", "a ", " a", "%", "_", "a%", "'", "\"", "\\", "null",
			strings.Repeat("x", 1024)}
		for b := byte(0x20); b <= 0x7e; b++ {
			sorts = append(sorts, "b"+string(b))
		}
		for _, kind := range []tenants.Kind{"evt", "list/things"} {
			for _, s := range sorts {
				c.write(tenants.Put(c.key(kind, s), []byte(s), time.Time{}, tenants.Absent()))
			}
			for _, s := range sorts {
				c.holds(c.key(kind, s), s)
			}
		}
	},
	"kinds that share a prefix do not mix": func(c *tableCase) {
		kinds := []tenants.Kind{"log/a", "log/a.b", "log/ab", "log/a-b", "log/a_b", "log", "log/b", "logs/a"}
		for _, k := range kinds {
			c.put(c.key(k, "1"), string(k))
		}
		for _, k := range kinds {
			c.holds(c.key(k, "1"), string(k))
			if k.Ordered() {
				if rows := c.query(tenants.Range{Kind: k, Limit: 10}); len(rows) != 1 ||
					string(rows[0].Body) != string(k) {
					c.Errorf("Query of %s returned %d rows, want one of its kind", k, len(rows))
				}
			}
		}
		c.write(tenants.Delete(c.key("log/a", "1"), tenants.Anything()))
		for _, k := range kinds[1:] {
			c.holds(c.key(k, "1"), string(k))
		}
	},
	"tenants do not meet, even where one's id begins with another's": func(c *tableCase) {
		ids := []tenants.TenantID{c.tenant, c.tenant + "0", c.tenant[:len(c.tenant)-1], newTenant()}
		for _, kind := range []tenants.Kind{"evt", "log/a"} {
			for _, id := range ids {
				c.write(tenants.Put(tenants.Key{Tenant: id, Kind: kind, Sort: "1"}, []byte(id), time.Time{},
					tenants.Absent()))
			}
			c.write(tenants.Delete(tenants.Key{Tenant: ids[0], Kind: kind, Sort: "1"}, tenants.At(1)))
			c.missing(tenants.Key{Tenant: ids[0], Kind: kind, Sort: "1"})
			for _, id := range ids[1:] {
				c.holds(tenants.Key{Tenant: id, Kind: kind, Sort: "1"}, string(id))
			}
		}
		for _, id := range ids[1:] {
			rows, err := c.table.Query(c.ctx, tenants.Range{Tenant: id, Kind: "log/a", Limit: 10})
			if err != nil || len(rows) != 1 || string(rows[0].Body) != string(id) {
				c.Errorf("tenant %s: got %d rows, %v; want its own row", id, len(rows), err)
			}
		}
	},
	"the table is done with its arguments, and its answers are the caller's": func(c *tableCase) {
		k, body := c.key("log/a", "1"), []byte("body")
		c.write(tenants.Put(k, body, time.Time{}, tenants.Absent()))
		body[0] = 'X'
		c.get(k).Body[1] = 'Y'
		c.query(tenants.Range{Kind: "log/a", Limit: 1})[0].Body[2] = 'Z'
		c.holds(k, "body")
	},
	"a cancelled ctx is unavailable": func(c *tableCase) {
		ctx, cancel := context.WithCancel(c.ctx)
		cancel()
		k := c.key("log/a", "1")
		op := tenants.Put(k, []byte("b"), time.Time{}, tenants.Absent())
		_, get := c.table.Get(ctx, k)
		_, query := c.table.Query(ctx, tenants.Range{Tenant: c.tenant, Kind: "log/a", Limit: 1})
		write := c.table.Write(ctx, op)
		_, each := c.table.WriteEach(ctx, op)
		for name, err := range map[string]error{"Get": get, "Query": query, "Write": write, "WriteEach": each} {
			if tenants.KindOf(err) != tenants.Unavailable {
				c.Errorf("%s: got %v, want kind Unavailable", name, err)
			}
		}
	},
}
