package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookcast/hookcast/infra/endtoend"
	"github.com/hookcast/hookcast/tenants"
)

// inProcess serves a box for a benchmark, with SQLite's synchronous setting ("" is FULL).
func inProcess(b *testing.B, synchronous string) (*box, endtoend.Deployment, endtoend.Tenant) {
	b.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	base := "http://" + ln.Addr().String()
	bx, err := open(b.Context(), config{data: filepath.Join(b.TempDir(), "data"), publicURL: base, signup: true,
		synchronous: synchronous}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- bx.serve(ctx, ln) }()
	b.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			b.Error(err)
		}
		bx.close()
	})
	d := endtoend.Deployment{API: base, Stream: base,
		HTTP: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}}
	key, err := os.ReadFile(bx.operator)
	if err != nil {
		b.Fatal(err)
	}
	tenant := d.Signup(b, "bench")
	d.Must(b, "PATCH", "/v1/tenants/"+tenant.ID, strings.TrimSpace(string(key)),
		map[string]any{"limits": map[string]int{"events_per_second": 0, "connections": 0}}).Want(b, 200)
	return bx, d, tenant
}

// BenchmarkIngest posts signed webhooks from 64 concurrent senders, with durable commits and, for comparison,
// without. An operation is one event, from its POST to its place in the log.
//
//	go test ./infra/onebox -run '^$' -bench Ingest -benchtime 20000x -count 5
func BenchmarkIngest(b *testing.B) {
	for _, c := range []struct{ name, synchronous string }{{"durable", ""}, {"synchronous=OFF", "OFF"}} {
		for _, channels := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/channels=%d", c.name, channels), func(b *testing.B) {
				const senders = 64
				bx, d, tenant := inProcess(b, c.synchronous)
				sources := make([]endtoend.Source, channels)
				for i := range sources {
					if i < 20 { // the plan's limit of sources
						sources[i] = d.GitHubSource(b, tenant, fmt.Sprintf("orders.%d", i))
					} else {
						sources[i] = sources[i%20]
					}
				}
				body := []byte(`{"action":"opened","issue":{"number":1,"title":"` + strings.Repeat("x", 900) + `"}}`)
				var next atomic.Int64
				before := bx.db.Stats()
				b.ResetTimer()
				var wg sync.WaitGroup
				for sender := range senders {
					wg.Go(func() {
						for {
							n := next.Add(1)
							if n > int64(b.N) {
								return
							}
							a, err := d.GitHub(b.Context(), sources[sender%channels], fmt.Sprint(n), body)
							if err != nil || a.Status != 202 {
								b.Errorf("the webhook is answered %d %s (%v), want 202", a.Status, a.Body, err)
								return
							}
						}
					})
				}
				wg.Wait()
				for appended(b, bx, tenant, min(channels, 20)) < int64(b.N) {
					time.Sleep(time.Millisecond) // the appender does not report what it has appended
				}
				b.StopTimer()
				after := bx.db.Stats()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
				b.ReportMetric(float64(after.Syncs-before.Syncs)/float64(b.N), "fsyncs/event")
			})
		}
	}
}

// appended counts the events in the tenant's channels.
func appended(b *testing.B, bx *box, tenant endtoend.Tenant, channels int) (n int64) {
	b.Helper()
	for i := range channels {
		tail, err := bx.Log.Tail(b.Context(), tenants.TenantID(tenant.ID), fmt.Sprintf("orders.%d", i))
		if err != nil {
			b.Fatal(err)
		}
		n += tail
	}
	return n
}

// BenchmarkDelivery posts 200 signed webhooks a second to one channel with a subscriber, and reports the time from
// before a POST until the subscriber has read the event from its socket.
//
//	go test ./infra/onebox -run '^$' -bench Delivery -benchtime 4000x
func BenchmarkDelivery(b *testing.B) {
	_, d, tenant := inProcess(b, "")
	source := d.GitHubSource(b, tenant, "orders")
	stream := d.MustSubscribe(b, d.Token(b, tenant, "reader", "orders"), "", nil, "orders")
	sent := make([]time.Time, b.N)
	took := make([]time.Duration, 0, b.N)
	done := make(chan error, 1)
	go func() {
		for len(took) < b.N {
			f, err := stream.NextEvent()
			if err != nil {
				done <- err
				return
			}
			var n int
			if _, err := fmt.Sscanf(f.Data, `{"n":%d}`, &n); err != nil {
				done <- err
				return
			}
			took = append(took, time.Since(sent[n]))
		}
		done <- nil
	}()
	b.ResetTimer()
	tick := time.NewTicker(time.Second / 200)
	defer tick.Stop()
	var wg sync.WaitGroup
	for n := range b.N {
		<-tick.C
		sent[n] = time.Now()
		wg.Go(func() {
			if a, err := d.GitHub(b.Context(), source, fmt.Sprint(n), fmt.Appendf(nil, `{"n":%d}`, n)); err != nil ||
				a.Status != 202 {
				b.Errorf("the webhook is answered %d %s (%v), want 202", a.Status, a.Body, err)
			}
		})
	}
	wg.Wait()
	if err := <-done; err != nil && !errors.Is(err, io.EOF) {
		b.Fatal(err)
	}
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}
