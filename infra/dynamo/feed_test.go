package dynamo_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/hookcast/hookcast/infra/dynamo"
	"github.com/hookcast/hookcast/tenants"
)

// fed returns a table and a feed of it that is reached through a proxy.
func fed(t *testing.T) (*proxy, *dynamo.Table, *dynamo.Feed) {
	t.Helper()
	p, table, name := newProxy(t), (*dynamo.Table)(nil), create(t)
	t.Cleanup(func() { p.plan(t) })
	table = dynamo.Open(client(p.to), name)
	write(t, table, tenants.Put(key("evt", "before"), nil, never, tenants.Absent()))
	feed, err := dynamo.NewFeed(t.Context(), client(p.URL), streams(p.URL), name)
	if err != nil {
		t.Fatal(err)
	}
	return p, table, feed
}

// next checks that the next changes are of rows with these sort keys, and calls done.
func next(t *testing.T, feed tenants.Feed, sorts ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for len(sorts) > 0 {
		changes, done, err := feed.Next(ctx, 2)
		if err != nil {
			t.Fatalf("waiting for %q: %v", sorts, err)
		}
		for _, c := range changes {
			if len(sorts) == 0 || c.Row.Sort != sorts[0] {
				t.Fatalf("Next returned a change of %s, want %q", c.Row.Sort, sorts)
			}
			sorts = sorts[1:]
		}
		if err := done(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAFeedBeginsWithItself(t *testing.T) {
	_, table, feed := fed(t)
	write(t, table, tenants.Put(key("evt", "1"), nil, never, tenants.Absent()))
	next(t, feed, "1")
	write(t, table, tenants.Put(key("evt", "2"), nil, never, tenants.Absent()))
	write(t, table, tenants.Delete(key("evt", "before"), tenants.At(1)))
	write(t, table, tenants.Put(key("evt", "3"), nil, never, tenants.Absent()))
	next(t, feed, "2", "before", "3")
}

// An iterator expires after 15 minutes. Its successor begins after the last change that is done.
func TestAnExpiredIteratorLosesNothing(t *testing.T) {
	p, table, feed := fed(t)
	put := func(sort string) { write(t, table, tenants.Put(key("evt", sort), nil, never, tenants.Absent())) }
	put("1")
	next(t, feed, "1")
	for i := range 3 {
		sort := fmt.Sprint("behind ", i)
		put(sort)
		p.plan(t, refuse("GetRecords", "ExpiredIteratorException"))
		next(t, feed, sort)
	}
	put("trimmed")
	p.plan(t, refuse("GetRecords", "TrimmedDataAccessException"))
	next(t, feed, "before", "1", "behind 0", "behind 1", "behind 2", "trimmed") // from the oldest stored change
}

// If no change is done yet, the position is unknown, so the feed begins with the oldest stored change.
func TestAnIteratorThatExpiresBeforeTheFirstChange(t *testing.T) {
	p, table, feed := fed(t)
	write(t, table, tenants.Put(key("evt", "1"), nil, never, tenants.Absent()))
	p.plan(t, refuse("GetRecords", "ExpiredIteratorException"))
	next(t, feed, "before", "1")
}

func TestAFeedOverFailures(t *testing.T) {
	p, table, feed := fed(t)
	write(t, table, tenants.Put(key("evt", "1"), nil, never, tenants.Absent()))
	p.plan(t, refuse("GetRecords", "ThrottlingException"), fault{op: "GetRecords"},
		refuse("GetRecords", "InternalServerError"))
	var changes []tenants.Change
	for deadline := time.Now().Add(30 * time.Second); len(changes) == 0 && time.Now().Before(deadline); {
		var err error
		if changes, _, err = feed.Next(t.Context(), 10); err != nil && tenants.KindOf(err) != tenants.Unavailable {
			t.Fatal(err)
		}
	}
	if len(changes) != 1 || changes[0].Row.Sort != "1" {
		t.Errorf("Next = %v, want the change of row 1", changes)
	}
	p.plan(t, refuse("GetRecords", "ExpiredTokenException"))
	_, _, err := feed.Next(t.Context(), 10)
	unavailable(t, err, "storage_credentials")
}

func TestATableWithoutAStream(t *testing.T) {
	_, err := dynamo.NewFeed(t.Context(), client(server.URL(t)), streams(server.URL(t)), "nowhere")
	unavailable(t, err, "storage_missing")
}

// Two callers that received the same changes may call done in either order.
func TestDoneNeverGoesBack(t *testing.T) {
	_, table, feed := fed(t)
	write(t, table, tenants.Put(key("evt", "1"), nil, never, tenants.Absent()))
	first, late, err := feed.Next(t.Context(), 1)
	if err != nil || len(first) != 1 {
		t.Fatalf("Next = %v, %v, want one change", first, err)
	}
	write(t, table, tenants.Put(key("evt", "2"), nil, never, tenants.Absent()))
	next(t, feed, "1", "2")
	if err := late(t.Context()); err != nil {
		t.Fatal(err)
	}
	write(t, table, tenants.Put(key("evt", "3"), nil, never, tenants.Absent()))
	next(t, feed, "3")
}
