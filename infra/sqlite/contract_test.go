package sqlite_test

import (
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/infra/sqlite"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// open opens a database in a folder of the test's own, and closes it at its end.
func open(t testing.TB, o sqlite.Options) *sqlite.DB {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "hookcast.db"), o)
}

func openAt(t testing.TB, path string, o sqlite.Options) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return db
}

// The suites run inside a bubble, where waiting takes no time: the file is as real there as anywhere.

// days pass in some cases: sweeping them minute by minute would take its time after all.
var days = sqlite.Options{SweepEvery: time.Hour}

func TestTableKeepsItsContract(t *testing.T) {
	tenantstest.TestTable(t, tenantstest.TableHarness{
		New:    func(t *testing.T) tenants.Table { return open(t, days).Table() },
		Bubble: synctest.Test,
	})
}

func TestFeedKeepsItsContract(t *testing.T) {
	tenantstest.TestFeed(t, tenantstest.FeedHarness{
		New: func(t *testing.T) (tenants.Table, tenants.Feed) {
			db := open(t, days)
			feed, err := db.Feed(t.Context(), "test")
			if err != nil {
				t.Fatal(err)
			}
			return db.Table(), feed
		},
		Bubble: synctest.Test,
	})
}

func queues(visibility time.Duration) tenantstest.QueueHarness {
	return tenantstest.QueueHarness{
		New: func(t *testing.T, _ bool) (q, dead tenants.Queue) {
			s := open(t, days).Queue("test", sqlite.QueueOptions{Visibility: visibility, MaxReceives: 3})
			return s, s.DeadLetters()
		},
		Visibility: visibility, MaxReceives: 3,
	}
}

func TestQueueKeepsItsContract(t *testing.T) {
	h := queues(20 * time.Second)
	h.Bubble = synctest.Test
	tenantstest.TestQueue(t, h)
}

// Receivers and senders meet as the clock and the scheduler have it.
func TestQueueKeepsItsContractInRealTime(t *testing.T) {
	tenantstest.TestQueue(t, queues(5*time.Second)) // what is held meanwhile must not lapse on a busy machine
}
