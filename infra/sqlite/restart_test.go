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

// lives runs the functions one after another in one synctest bubble, each with the same file newly opened.
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
					t.Errorf("message %s has %d receives, want 2", r.Body, r.Receives)
				}
			}
		},
		func(t *testing.T, db *sqlite.DB) { receive(t, db.Queue("q", options), "grouped", "loose") },
		func(t *testing.T, db *sqlite.DB) { // messages that end the process each time become dead letters
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
				t.Errorf("Receive = %d messages after %v, %v, want 3 after 10m", len(rs), took, err)
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
			send(t, db.Queue("other", options), m) // each queue has its own ids
			receive(t, db.Queue("other", options), "b")
		},
	)
}

// writeRow writes a new row with the sort key s.
func writeRow(t *testing.T, db *sqlite.DB, s string) {
	t.Helper()
	k := tenants.Key{Tenant: "ten_a", Kind: "evt", Sort: s}
	if err := db.Table().Write(t.Context(), tenants.Put(k, nil, time.Time{}, tenants.Absent())); err != nil {
		t.Fatal(err)
	}
}

// nextChanges checks that the feed's next changes are of rows with the wanted sort keys, and returns done.
func nextChanges(t *testing.T, db *sqlite.DB, name string, max int, want ...string) func(context.Context) error {
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

func TestAFeedGoesOnWhereItsLastDoneLeftIt(t *testing.T) {
	lives(t,
		func(t *testing.T, db *sqlite.DB) {
			writeRow(t, db, "before any feed")
			for _, name := range []string{"a", "b"} {
				if _, err := db.Feed(t.Context(), name); err != nil {
					t.Fatal(err)
				}
			}
			writeRow(t, db, "1")
			writeRow(t, db, "2")
			if err := nextChanges(t, db, "a", 1, "1")(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := db.Sweep(t.Context()); err != nil { // b has called done for none of them
				t.Fatal(err)
			}
		},
		func(t *testing.T, db *sqlite.DB) {
			if err := nextChanges(t, db, "a", 10, "2")(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := nextChanges(t, db, "b", 10, "1", "2")(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := db.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n, err := db.Count(t.Context(), "SELECT count(*) FROM changes"); err != nil || n != 0 {
				t.Errorf("%d changes are stored after every feed called done, %v, want 0", n, err)
			}
		},
		func(t *testing.T, db *sqlite.DB) { // all changes were swept, but their numbers continue
			writeRow(t, db, "3")
			nextChanges(t, db, "a", 10, "3")
			if err := db.DropFeed(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
			nextChanges(t, db, "b", 10, "3")
		},
	)
}

func TestFilesAreTheirOwnersAlone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "hook cast?#%.db") // a name with characters that are special in a URI
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	db := openAt(t, path, sqlite.Options{})
	send(t, db.Queue("q", options), tenants.Message{Body: []byte("b")})
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 4 {
		t.Errorf("the folder has files %v, %v, want at least 4", files, err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode() != 0o600 {
			t.Errorf("file %s: %v, %v, want mode 0600", f.Name(), info, err)
		}
	}
}
