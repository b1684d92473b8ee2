package eventlog_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/tenantstest/rig"
)

// BenchmarkAppend measures the log's own cost per event, over a table in memory that costs next to nothing.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			b.ReportAllocs()
			l := eventlog.New(rig.NewTable())
			data := make([]byte, 256)
			batch := make([]tenants.Event, size)
			for n := 0; n < b.N; n += size {
				for i := range batch {
					batch[i] = tenants.Event{ID: tenants.NewID(tenants.PrefixEvent), Type: "bench", Data: data}
				}
				if _, err := l.Append(context.Background(), rig.LogTenant, "bench", batch); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
