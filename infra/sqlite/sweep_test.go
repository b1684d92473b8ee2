package sqlite_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/infra/sqlite"
	"github.com/hookcast/hookcast/tenants"
)

func TestExpiredRowsLeaveTheFileAndTheFeedTellsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := open(t, sqlite.Options{SweepEvery: time.Minute})
		feed, err := db.Feed(t.Context(), "test")
		if err != nil {
			t.Fatal(err)
		}
		var ops []tenants.Op
		for i := range 500 {
			k := tenants.Key{Tenant: "ten_a", Kind: "evt", Sort: fmt.Sprint(i)}
			expires := time.Time{}
			if i > 0 {
				expires = time.Now().Add(30 * time.Second)
			}
			ops = append(ops, tenants.Put(k, []byte("b"), expires, tenants.Absent()))
		}
		if _, err := db.Table().WriteEach(t.Context(), ops...); err != nil {
			t.Fatal(err)
		}
		time.Sleep(65 * time.Second) // until after the first sweep
		if n, err := db.Count(t.Context(), "SELECT count(*) FROM rows"); err != nil || n != 1 {
			t.Errorf("%d rows are in the file, %v, want 1", n, err)
		}
		deleted := map[string]bool{}
		for len(deleted) < 499 {
			changes, done, err := feed.Next(t.Context(), 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range changes {
				if c.Deleted {
					deleted[c.Row.Sort] = true
				}
			}
			if err := done(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if deleted["0"] {
			t.Error("the feed reports a row without an expiry as deleted")
		}
	})
}

func TestOldDeduplicationIDsLeaveTheFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := open(t, sqlite.Options{SweepEvery: time.Minute})
		q := db.Queue("q", options)
		for i := range 300 {
			send(t, q, tenants.Message{Dedupe: fmt.Sprint(i), Body: []byte("b")})
		}
		time.Sleep(3 * time.Minute)
		send(t, q, tenants.Message{Dedupe: "young", Body: []byte("b")})
		time.Sleep(3*time.Minute + time.Second)
		if n, err := db.Count(t.Context(), "SELECT count(*) FROM dedupes"); err != nil || n != 1 {
			t.Errorf("%d ids are in the file, %v, want 1", n, err)
		}
	})
}

func TestChangesThatNoFeedLooksForAreNotKept(t *testing.T) {
	db := open(t, sqlite.Options{Feeds: func(k tenants.Kind) bool { return k == "log/a" }})
	feed, err := db.Feed(t.Context(), "f")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []tenants.Kind{"evt", "log/a", "log/b"} {
		if err := db.Table().Write(t.Context(), tenants.Put(tenants.Key{Tenant: "ten_a", Kind: kind, Sort: "a"},
			nil, time.Time{}, tenants.Absent())); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := db.Count(t.Context(), "SELECT count(*) FROM changes"); err != nil || n != 1 {
		t.Errorf("%d changes are stored, %v, want 1", n, err)
	}
	if changes, _, err := feed.Next(t.Context(), 10); err != nil || len(changes) != 1 ||
		changes[0].Row.Kind != "log/a" {
		t.Errorf("Next = %+v, %v, want one change of kind log/a", changes, err)
	}
}

func TestWithoutAFeedNoChangeIsKept(t *testing.T) {
	db := open(t, sqlite.Options{})
	if err := db.Table().Write(t.Context(), tenants.Put(tenants.Key{Tenant: "ten_a", Kind: "evt", Sort: "a"},
		nil, time.Time{}, tenants.Absent())); err != nil {
		t.Fatal(err)
	}
	if n, err := db.Count(t.Context(), "SELECT count(*) FROM changes"); err != nil || n != 0 {
		t.Errorf("%d changes are stored, %v, want 0", n, err)
	}
}
