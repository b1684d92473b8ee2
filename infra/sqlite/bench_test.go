package sqlite_test

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookcast/hookcast/infra/sqlite"
	"github.com/hookcast/hookcast/tenants"
)

// BenchmarkSend64 measures 64 concurrent senders of single messages of 1 KB in 100 groups. fsyncs/op shows how many
// calls share a commit.
func BenchmarkSend64(b *testing.B) {
	body := bytes.Repeat([]byte("b"), 1000)
	measure(b, func(db *sqlite.DB) func(i int64) error {
		q := db.Queue("ingest", sqlite.QueueOptions{})
		return func(i int64) error {
			return q.Send(b.Context(), tenants.Message{
				Group: fmt.Sprint("group ", i%100), Dedupe: fmt.Sprintf("%064d", i), Body: body,
			})
		}
	})
}

// BenchmarkWriteEach64 measures 64 concurrent writers of two rows at a time: a log row of 1 KB and its claim.
func BenchmarkWriteEach64(b *testing.B) {
	body := bytes.Repeat([]byte("b"), 1000)
	measure(b, func(db *sqlite.DB) func(i int64) error {
		table, expires := db.Table(), time.Now().Add(time.Hour)
		return func(i int64) error {
			_, err := table.WriteEach(b.Context(),
				tenants.Put(tenants.Key{Tenant: "ten_a", Kind: "evt", Sort: fmt.Sprintf("evt_%026d", i*7919)},
					body[:100], expires, tenants.Absent()),
				tenants.Put(tenants.Key{Tenant: "ten_a", Kind: tenants.Kind(fmt.Sprint("log/", i%100)),
					Sort: fmt.Sprintf("%019d", i)}, body, expires, tenants.Absent()))
			return err
		}
	})
}

// BenchmarkWriteEachOf64 measures one writer of 64 rows of 1 KB at a time.
func BenchmarkWriteEachOf64(b *testing.B) {
	body := bytes.Repeat([]byte("b"), 1000)
	for _, synchronous := range []string{"FULL", "OFF"} {
		b.Run(synchronous, func(b *testing.B) {
			table := open(b, sqlite.Options{Synchronous: synchronous}).Table()
			for i := 0; b.Loop(); i++ {
				ops := make([]tenants.Op, 64)
				for j := range ops {
					ops[j] = tenants.Put(tenants.Key{Tenant: "ten_a", Kind: "log/a",
						Sort: fmt.Sprintf("%019d", i*64+j)}, body, time.Time{}, tenants.Absent())
				}
				if _, err := table.WriteEach(b.Context(), ops...); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkGet measures concurrent readers of one row.
func BenchmarkGet(b *testing.B) {
	table := open(b, sqlite.Options{}).Table()
	k := tenants.Key{Tenant: "ten_a", Kind: "evt", Sort: "a"}
	if err := table.Write(b.Context(), tenants.Put(k, []byte("b"), time.Time{}, tenants.Absent())); err != nil {
		b.Fatal(err)
	}
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := table.Get(b.Context(), k); err != nil {
				b.Error(err)
			}
		}
	})
}

func measure(b *testing.B, prepare func(*sqlite.DB) func(i int64) error) {
	for _, synchronous := range []string{"FULL", "OFF"} {
		b.Run(synchronous, func(b *testing.B) {
			db := open(b, sqlite.Options{Synchronous: synchronous})
			call := prepare(db)
			before := db.Stats()
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for range 64 {
				wg.Go(func() {
					for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
						if err := call(i); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			after := db.Stats()
			b.ReportMetric(float64(after.Syncs-before.Syncs)/float64(b.N), "fsyncs/op")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
		})
	}
}
