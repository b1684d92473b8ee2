package contract

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// FeedHarness gives TestFeed access to the Feed under test.
type FeedHarness struct {
	// New returns a Table and a Feed of its future changes, of which the case is the only consumer.
	New func(t *testing.T) (tenants.Table, tenants.Feed)

	// Bubble is as in TableHarness.
	Bubble func(t *testing.T, f func(t *testing.T))
}

// TestFeed tests that a Feed keeps its contract.
func TestFeed(t *testing.T, h FeedHarness) {
	for name, f := range feedCases {
		t.Run(name, func(t *testing.T) {
			bubble(t, h.Bubble, func(t *testing.T) {
				table, feed := h.New(t)
				f(&feedCase{tableCase: tableCase{T: t, ctx: t.Context(), table: table, tenant: newTenant()},
					feed: feed})
			})
		})
	}
}

type feedCase struct {
	tableCase
	feed tenants.Feed
}

// await receives changes and is done with each batch, until enough returns true for all changes seen so far.
func (c *feedCase) await(max int, enough func(map[tenants.Key]tenants.Change) bool) {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, time.Minute)
	defer cancel()
	seen := map[tenants.Key]tenants.Change{}
	for !enough(seen) {
		changes, done, err := c.feed.Next(ctx, max)
		if err != nil {
			c.Fatalf("Next: %v, after %d rows", err, len(seen))
		}
		if len(changes) < 1 || len(changes) > max {
			c.Fatalf("got %d changes, want 1 to %d", len(changes), max)
		}
		for _, ch := range changes {
			if ch.Deleted && (ch.Row.Body != nil || ch.Row.Version != 0) {
				c.Errorf("got the deleted row %+v, want only its key", ch)
			}
			if ch.Row.Tenant == c.tenant {
				seen[ch.Row.Key] = ch
			}
		}
		if err := done(ctx); err != nil {
			c.Fatalf("done: %v", err)
		}
	}
}

// feedCases are the cases of TestFeed.
var feedCases = map[string]func(*feedCase){
	"every row that was written comes, in batches": func(c *feedCase) {
		want := map[tenants.Key]string{}
		var each []tenants.Op
		for i := range 40 {
			k := c.key([]tenants.Kind{"evt", "log/a"}[i%2], fmt.Sprint(i))
			want[k] = fmt.Sprint("body ", i)
			op := tenants.Put(k, []byte(want[k]), time.Now().Add(time.Hour), tenants.Absent())
			if i < 20 {
				c.write(op)
			} else {
				each = append(each, op)
			}
		}
		if _, err := c.table.WriteEach(c.ctx, each[:10]...); err != nil {
			c.Fatal(err)
		}
		c.write(each[10:]...)
		c.await(7, func(seen map[tenants.Key]tenants.Change) bool { return len(seen) == len(want) })
	},
	"a row comes as it is in the end": func(c *feedCase) {
		k := c.key("log/a", "1")
		for i := range 5 {
			c.put(k, fmt.Sprint(i))
		}
		final := c.get(k)
		c.await(2, func(seen map[tenants.Key]tenants.Change) bool {
			ch := seen[k]
			return string(ch.Row.Body) == "4" && ch.Row.Version == final.Version && !ch.Deleted
		})
	},
	"a removed row comes as deleted": func(c *feedCase) {
		k := c.key("evt", "a")
		c.put(k, "b")
		c.await(10, func(seen map[tenants.Key]tenants.Change) bool { return len(seen) == 1 })
		c.write(tenants.Delete(k, tenants.Anything()))
		c.await(10, func(seen map[tenants.Key]tenants.Change) bool { return seen[k].Deleted })
	},
	"what is not done comes again": func(c *feedCase) {
		k := c.key("evt", "a")
		c.put(k, "b")
		for range 3 {
			for found := false; !found; {
				changes, _, err := c.feed.Next(c.ctx, 10)
				if err != nil {
					c.Fatal(err)
				}
				for _, ch := range changes {
					found = found || ch.Row.Key == k
				}
			}
		}
		c.await(10, func(seen map[tenants.Key]tenants.Change) bool { return len(seen) == 1 })
	},
	"Next waits for a change": func(c *feedCase) {
		k := c.key("evt", "a")
		found := make(chan struct{})
		go func() {
			defer close(found)
			c.await(10, func(seen map[tenants.Key]tenants.Change) bool { return len(seen) == 1 })
		}()
		c.put(k, "b")
		<-found
	},
	"Next ends with its ctx": func(c *feedCase) {
		ctx, cancel := context.WithTimeout(c.ctx, 50*time.Millisecond)
		defer cancel()
		for {
			_, done, err := c.feed.Next(ctx, 10)
			if err != nil {
				if tenants.KindOf(err) != tenants.Unavailable {
					c.Errorf("got error %v, want kind Unavailable", err)
				}
				return
			}
			if err := done(c.ctx); err != nil { // changes of others, on a shared table
				c.Fatal(err)
			}
		}
	},
}
