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

// All senders call while the writer is busy, so later batches contain all of them too: in simulated time the writer's
// wait for more calls never ends before the senders are back. In real time that depends on the disk and the
// scheduler.
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
			t.Errorf("Stats counted %d calls, want %d", calls, senders*each)
		}
		if syncs*16 > calls {
			t.Errorf("%d calls took %d fsyncs, want at most one per 16 calls", calls, syncs)
		}
	})
}

// In simulated time only waiting takes time.
func TestALoneWriterNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := open(t, sqlite.Options{SweepEvery: time.Hour})
		q := db.Queue("ingest", sqlite.QueueOptions{})
		start := time.Now()
		for i := range 50 {
			if err := q.Send(t.Context(), tenants.Message{Body: []byte("b")}); err != nil {
				t.Fatal(err)
			}
			if err := db.Table().Write(t.Context(),
				tenants.Put(tenants.Key{Tenant: "ten_a", Kind: "evt", Sort: fmt.Sprint(i)}, nil, time.Time{},
					tenants.Absent())); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("the writer waited %v, want 0", took)
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
			mine := tenants.Put(tenants.Key{Tenant: "ten_a", Kind: "evt", Sort: fmt.Sprint(i)}, nil, time.Time{},
				tenants.Absent())
			ops := []tenants.Op{mine}
			if i%2 == 0 {
				ops = append(ops, tenants.Check(taken, tenants.Absent()))
			}
			err := table.Write(t.Context(), ops...)
			_, missing := table.Get(t.Context(), mine.Row.Key)
			if refuse := i%2 == 0; refuse != (err != nil) || refuse != (missing != nil) {
				t.Errorf("writer %d: Write = %v, then Get: %v, want both to fail: %v", i, err, missing, refuse)
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
			t.Fatalf("Receive = %d messages, %v, want 1", len(rs), err)
		}
		if err := q.Release(t.Context(), 0, rs...); err != nil {
			t.Fatal(err)
		}
	}
	after := db.Stats()
	if after.Syncs != before.Syncs || after.Commits != before.Commits+6 {
		t.Errorf("got %d commits with %d fsyncs, want 6 without any", after.Commits-before.Commits,
			after.Syncs-before.Syncs)
	}
}
