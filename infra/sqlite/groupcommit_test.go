package sqlite_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/infra/sqlite"
	"github.com/hookcast/hookcast/tenants"
)

// Once all of them have come while the writer was at work, nobody comes alone again: in simulated time no patience ends before those whose calls
// were answered are back. In real time that is up to the disk and the scheduler, and a disk that takes no time needs no sharing.
func TestSixtyFourSendersShareCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := open(t, sqlite.Options{SweepEvery: time.Hour})
		q := db.Queue("ingest", sqlite.QueueOptions{})
		const senders, each = 64, 50
		release := db.Hold(t.Context())
		before := db.Stats()
		var wg sync.WaitGroup
		for s := range senders {
			wg.Go(func() {
				for i := range each {
					m := tenants.Message{Group: fmt.Sprint(s % 10), Dedupe: fmt.Sprint(s, i), Body: []byte("b")}
					if err := q.Send(t.Context(), m); err != nil {
						t.Error(err)
					}
				}
			})
		}
		synctest.Wait()
		release()
		wg.Wait()
		after := db.Stats()
		calls, syncs := after.Calls-before.Calls, after.Syncs-before.Syncs
		if calls != senders*each {
			t.Errorf("%d calls were counted", calls)
		}
		if syncs*16 > calls {
			t.Errorf("%d calls took %d fsyncs, want at most one per 16", calls, syncs)
		}
	})
}

// In simulated time only a wait takes any.
func TestALoneWriterNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := open(t, sqlite.Options{SweepEvery: time.Hour})
		q := db.Queue("ingest", sqlite.QueueOptions{})
		start := time.Now()
		for i := range 50 {
			if err := q.Send(t.Context(), tenants.Message{Body: []byte("b")}); err != nil {
				t.Fatal(err)
			}
			if err := db.Table().Write(t.Context(), tenants.Put(tenants.Key{Tenant: "ten_a", Kind: "evt", Sort: fmt.Sprint(i)}, nil, time.Time{}, tenants.Absent())); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("it waited %v", took)
		}
	})
}

func TestARefusalTouchesNobodyElseInItsBatch(t *testing.T) {
	db := open(t, sqlite.Options{})
	table := db.Table()
	taken := tenants.Key{Tenant: "ten_a", Kind: "evt", Sort: "taken"}
	if err := table.Write(t.Context(), tenants.Put(taken, nil, time.Time{}, tenants.Absent())); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			mine := tenants.Put(tenants.Key{Tenant: "ten_a", Kind: "evt", Sort: fmt.Sprint(i)}, nil, time.Time{}, tenants.Absent())
			ops := []tenants.Op{mine}
			if i%2 == 0 {
				ops = append(ops, tenants.Check(taken, tenants.Absent()))
			}
			err := table.Write(t.Context(), ops...)
			_, missing := table.Get(t.Context(), mine.Row.Key)
			if refuse := i%2 == 0; refuse != (err != nil) || refuse != (missing != nil) {
				t.Errorf("writer %d: %v, then %v", i, err, missing)
			}
		})
	}
	wg.Wait()
}

func TestReceiversDoNotWaitForTheDisk(t *testing.T) {
	db := open(t, sqlite.Options{})
	q := db.Queue("ingest", sqlite.QueueOptions{})
	if err := q.Send(t.Context(), tenants.Message{Group: "g", Body: []byte("b")}); err != nil {
		t.Fatal(err)
	}
	before := db.Stats()
	for range 3 {
		rs, err := q.Receive(t.Context(), 10, 0)
		if err != nil || len(rs) != 1 {
			t.Fatal(rs, err)
		}
		if err := q.Release(t.Context(), 0, rs...); err != nil {
			t.Fatal(err)
		}
	}
	after := db.Stats()
	if after.Syncs != before.Syncs || after.Commits != before.Commits+6 {
		t.Errorf("%d commits, %d fsyncs", after.Commits-before.Commits, after.Syncs-before.Syncs)
	}
}
