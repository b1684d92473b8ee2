package sqlite_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/infra/sqlite"
	"github.com/hookcast/hookcast/tenants"
)

// lives runs each life on one file, one after the other, in one bubble.
func lives(t *testing.T, each ...func(t *testing.T, db *sqlite.DB)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "hookcast.db")
		for _, life := range each {
			db, err := sqlite.Open(t.Context(), path, sqlite.Options{SweepEvery: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			life(t, db)
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

var options = sqlite.QueueOptions{Visibility: time.Minute, MaxReceives: 3}

func receive(t *testing.T, q tenants.Queue, want ...string) []tenants.Received {
	t.Helper()
	rs, err := q.Receive(t.Context(), 10, 0)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]string, len(rs))
	for i, r := range rs {
		got[i] = string(r.Body)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("received %q, want %q", got, want)
	}
	return rs
}

func send(t *testing.T, q tenants.Queue, ms ...tenants.Message) {
	t.Helper()
	if err := q.Send(t.Context(), ms...); err != nil {
		t.Fatal(err)
	}
}

func TestWhatWasInAReceiversHandsIsVisibleAfterARestart(t *testing.T) {
	grouped, loose := tenants.Message{Group: "g", Body: []byte("grouped")}, tenants.Message{Body: []byte("loose")}
	lives(t,
		func(t *testing.T, db *sqlite.DB) {
			send(t, db.Queue("q", options), grouped, loose)
			receive(t, db.Queue("q", options), "grouped", "loose")
		},
		func(t *testing.T, db *sqlite.DB) {
			for _, r := range receive(t, db.Queue("q", options), "grouped", "loose") {
				if r.Receives != 2 {
					t.Errorf("%s: received %d times", r.Body, r.Receives)
				}
			}
		},
		func(t *testing.T, db *sqlite.DB) { receive(t, db.Queue("q", options), "grouped", "loose") },
		func(t *testing.T, db *sqlite.DB) { // a message that ends the process each time ends here
			receive(t, db.Queue("q", options))
			receive(t, db.Queue("q", options).DeadLetters(), "grouped", "loose")
		},
	)
}

func TestDelaysOutliveARestart(t *testing.T) {
	lives(t,
		func(t *testing.T, db *sqlite.DB) {
			q := db.Queue("q", options)
			send(t, q, tenants.Message{Group: "g", Body: []byte("1")}, tenants.Message{Group: "g", Body: []byte("2")})
			if err := q.Release(t.Context(), 10*time.Minute, receive(t, q, "1", "2")...); err != nil {
				t.Fatal(err)
			}
			send(t, q, tenants.Message{Body: []byte("late"), Delay: 10 * time.Minute})
		},
		func(t *testing.T, db *sqlite.DB) {
			q := db.Queue("q", options)
			receive(t, q)
			start := time.Now()
			rs, err := q.Receive(t.Context(), 10, time.Hour)
			if took := time.Since(start); err != nil || len(rs) != 3 || took != 10*time.Minute {
				t.Errorf("%d messages after %v, %v", len(rs), took, err)
			}
		},
	)
}

func TestDeduplicationOutlivesARestart(t *testing.T) {
	m := tenants.Message{Group: "g", Dedupe: "id", Body: []byte("b")}
	lives(t,
		func(t *testing.T, db *sqlite.DB) {
			q := db.Queue("q", options)
			send(t, q, m)
			if err := q.Done(t.Context(), receive(t, q, "b")...); err != nil {
				t.Fatal(err)
			}
		},
		func(t *testing.T, db *sqlite.DB) {
			q := db.Queue("q", options)
			send(t, q, m)
			receive(t, q)
			send(t, db.Queue("other", options), m) // another queue's ids are its own
			receive(t, db.Queue("other", options), "b")
		},
	)
}

func TestAFeedGoesOnWhereItsLastDoneLeftIt(t *testing.T) {
	key := func(s string) tenants.Key { return tenants.Key{Tenant: "ten_a", Kind: "evt", Sort: s} }
	write := func(t *testing.T, db *sqlite.DB, s string) {
		if err := db.Table().Write(t.Context(), tenants.Put(key(s), nil, time.Time{}, tenants.Absent())); err != nil {
			t.Fatal(err)
		}
	}
	next := func(t *testing.T, db *sqlite.DB, name string, max int, want ...string) func(context.Context) error {
		t.Helper()
		f, err := db.Feed(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		changes, done, err := f.Next(t.Context(), max)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range changes {
			got = append(got, c.Row.Sort)
		}
		if !slices.Equal(got, want) {
			t.Errorf("feed %s: changes %q, want %q", name, got, want)
		}
		return done
	}
	lives(t,
		func(t *testing.T, db *sqlite.DB) {
			write(t, db, "before any feed")
			for _, name := range []string{"a", "b"} {
				if _, err := db.Feed(t.Context(), name); err != nil {
					t.Fatal(err)
				}
			}
			write(t, db, "1")
			write(t, db, "2")
			if err := next(t, db, "a", 1, "1")(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := db.Sweep(t.Context()); err != nil { // b has none of them yet
				t.Fatal(err)
			}
		},
		func(t *testing.T, db *sqlite.DB) {
			if err := next(t, db, "a", 10, "2")(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := next(t, db, "b", 10, "1", "2")(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := db.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n, err := db.Count(t.Context(), "SELECT count(*) FROM changes"); err != nil || n != 0 {
				t.Errorf("%d changes are kept that every feed has done, %v", n, err)
			}
		},
		func(t *testing.T, db *sqlite.DB) { // all changes were swept: numbers go on all the same
			write(t, db, "3")
			next(t, db, "a", 10, "3")
			if err := db.DropFeed(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
			next(t, db, "b", 10, "3")
		},
	)
}

func TestFilesAreTheirOwnersAlone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "hook cast?#%.db") // a name that an URI would take apart
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	db := openAt(t, path, sqlite.Options{})
	send(t, db.Queue("q", options), tenants.Message{Body: []byte("b")})
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 4 {
		t.Errorf("files %v, %v", files, err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s has mode %v, %v", f.Name(), info.Mode(), err)
		}
	}
}
