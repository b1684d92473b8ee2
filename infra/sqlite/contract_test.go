package sqlite_test

import (
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/infra/sqlite"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/tenantstest/contract"
)

// open opens a database in a temporary folder and closes it when the test ends.
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

// days are the options for tests in simulated time. Some of them wait for days, so sweeping every minute would take
// too long. The suites use a real file even in a synctest bubble.
var days = sqlite.Options{SweepEvery: time.Hour}

func TestTableKeepsItsContract(t *testing.T) {
	contract.TestTable(t, contract.TableHarness{
		New:    func(t *testing.T) tenants.Table { return open(t, days).Table() },
		Bubble: synctest.Test,
	})
}

func TestFeedKeepsItsContract(t *testing.T) {
	contract.TestFeed(t, contract.FeedHarness{
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

func queues(visibility time.Duration) contract.QueueHarness {
	return contract.QueueHarness{
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
	contract.TestQueue(t, h)
}

// In real time the scheduler decides how receivers and senders interleave.
func TestQueueKeepsItsContractInRealTime(t *testing.T) {
	// long enough that no message becomes visible too early on a busy machine
	contract.TestQueue(t, queues(5*time.Second))
}
