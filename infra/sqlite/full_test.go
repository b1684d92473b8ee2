package sqlite_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hookcast/hookcast/infra/sqlite"
	"github.com/hookcast/hookcast/tenants"
)

func full(err error) bool {
	return tenants.KindOf(err) == tenants.Unavailable && tenants.CodeOf(err) == "storage_full"
}

func TestAFullDiskLosesNothingAndRecoversOnceThereIsRoom(t *testing.T) {
	db := open(t, sqlite.Options{MaxPages: 200})
	q := db.Queue("ingest", sqlite.QueueOptions{})
	key := func(i int) tenants.Key {
		return tenants.Key{Tenant: "ten_a", Kind: "log/a", Sort: fmt.Sprintf("%06d", i)}
	}
	kept := 0
	for ; ; kept++ {
		err := db.Table().Write(t.Context(), tenants.Put(key(kept), make([]byte, 2000), time.Time{}, tenants.Absent()))
		if full(err) {
			break
		}
		if err != nil || kept > 400 {
			t.Fatalf("Write after %d rows = %v, want storage_full by row 400", kept, err)
		}
	}
	for i := range 5 {
		if err := q.Send(t.Context(), tenants.Message{Group: "g", Body: make([]byte, 100_000)}); !full(err) {
			t.Errorf("Send %d = %v, want storage_full", i, err)
		}
	}
	rows, err := db.Table().Query(t.Context(), tenants.Range{Tenant: "ten_a", Kind: "log/a", Limit: 1000})
	if err != nil || len(rows) != kept {
		t.Errorf("Query = %d rows, %v, want %d", len(rows), err, kept)
	}
	if db.Stats().Failed == 0 {
		t.Error("Stats counted no failed transaction")
	}
	if err := db.Limit(t.Context(), 1000); err != nil {
		t.Fatal(err)
	}
	if err := q.Send(t.Context(), tenants.Message{Group: "g", Body: make([]byte, 100_000)}); err != nil {
		t.Errorf("Send after space was freed: %v", err)
	}
	if rs, err := q.Receive(t.Context(), 10, 0); err != nil || len(rs) != 1 {
		t.Errorf("Receive = %d messages, %v, want the accepted one alone", len(rs), err)
	}
	if err := db.Table().Write(t.Context(), tenants.Put(key(kept), make([]byte, 2000), time.Time{},
		tenants.Absent())); err != nil {
		t.Errorf("Write after space was freed: %v", err)
	}
}

func TestOnAFullDiskWhatMakesRoomIsDone(t *testing.T) {
	db := open(t, sqlite.Options{MaxPages: 200})
	q := db.Queue("ingest", sqlite.QueueOptions{})
	for err := error(nil); !full(err); {
		if err = q.Send(t.Context(), tenants.Message{Group: "g", Body: make([]byte, 20_000)}); err != nil &&
			!full(err) {
			t.Fatal(err)
		}
	}
	// Senders keep trying while the receiver works, so that its calls share batches with theirs.
	var wg sync.WaitGroup
	stop := make(chan struct{})
	end := sync.OnceFunc(func() { close(stop); wg.Wait() })
	defer end()
	for range 8 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := q.Send(t.Context(), tenants.Message{Group: "large",
					Body: make([]byte, 900_000)}); !full(err) {
					t.Errorf("Send of a large message = %v, want storage_full", err)
				}
			}
		})
	}
	for range 10 {
		rs, err := q.Receive(t.Context(), 1, time.Minute)
		if err != nil || len(rs) != 1 || rs[0].Group != "g" || rs[0].Receives != 1 {
			t.Fatalf("Receive = %+v, %v, want one message of group g", rs, err)
		}
		if err := q.Done(t.Context(), rs...); err != nil {
			t.Fatal(err)
		}
	}
	end()
	if err := q.Send(t.Context(), tenants.Message{Group: "g", Body: make([]byte, 20_000)}); err != nil {
		t.Errorf("Send into the freed space: %v", err)
	}
}

func TestALargeCallOnAFullDiskDoesNotTakeSmallOnesAlong(t *testing.T) {
	db := open(t, sqlite.Options{MaxPages: 200})
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			body := []byte("small")
			if i%4 == 0 {
				body = make([]byte, 390<<10)
			}
			k := tenants.Key{Tenant: "ten_a", Kind: "evt", Sort: fmt.Sprint(i)}
			err := db.Table().Write(t.Context(),
				tenants.Put(k, body, time.Time{}, tenants.Absent()),
				tenants.Put(tenants.Key{Tenant: "ten_a", Kind: "evt", Sort: fmt.Sprint("more ", i)}, body, time.Time{},
					tenants.Absent()),
				tenants.Put(tenants.Key{Tenant: "ten_a", Kind: "evt", Sort: fmt.Sprint("yet more ", i)}, body,
					time.Time{}, tenants.Absent()))
			_, missing := db.Table().Get(t.Context(), k)
			if large := i%4 == 0; large != full(err) || large != (missing != nil) {
				t.Errorf("call %d: Write = %v, then Get: %v, want both to fail: %v", i, err, missing, large)
			}
		})
	}
	wg.Wait()
}
