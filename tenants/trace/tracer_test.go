package trace

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// traceTable counts writes. It can be made to fail or to block them.
type traceTable struct {
	tenants.Table
	writes atomic.Int64
	fail   atomic.Bool
	block  chan struct{} // nil: writes do not block
}

func (t *traceTable) Write(ctx context.Context, _ ...tenants.Op) error {
	if t.block != nil {
		select {
		case <-t.block:
		case <-ctx.Done():
			return tenants.Errorf(tenants.Unavailable, "cancelled", "%w", ctx.Err())
		}
	}
	if t.fail.Load() {
		return tenants.Errorf(tenants.Unavailable, "throttled", "not now")
	}
	t.writes.Add(1)
	return nil
}

func TestATracerMakesNobodyWaitAndIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := &traceTable{block: make(chan struct{})}
		tracer := NewTracer(table, nil)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); tracer.Run(ctx) }()
		began := time.Now()
		for range 3 * tracesWaitOf {
			tracer.Step("ten_a", tenants.NewID(tenants.PrefixEvent), began, Step{Name: StepAppended, At: began})
		}
		tracer.Step("ten_b", tenants.NewID(tenants.PrefixEvent), began, Step{Name: StepAppended, At: began})
		if !time.Now().Equal(began) {
			t.Error("Step blocked, want it to return at once")
		}
		if got := tracer.Dropped(); got != 2*tracesWaitOf {
			t.Errorf("dropped of a tenant over its bound: got %d, want %d", got, 2*tracesWaitOf)
		}
		close(table.block)
		time.Sleep(time.Second)
		if got := table.writes.Load(); got != tracesWaitOf+1 {
			t.Errorf("rows written: got %d, want %d", got, tracesWaitOf+1)
		}
		table.fail.Store(true)
		tracer.Step("ten_a", tenants.NewID(tenants.PrefixEvent), began, Step{Name: StepFannedOut, At: began})
		time.Sleep(time.Second)
		if got := tracer.Dropped(); got != 2*tracesWaitOf+1 {
			t.Errorf("dropped after a failed write: got %d, want %d", got, 2*tracesWaitOf+1)
		}
		table.fail.Store(false)
		event := tenants.NewID(tenants.PrefixEvent)
		for n := range 10 { // the last one replaces the others
			tracer.Step("ten_a", event, began, Step{Name: StepWritten, Node: "nod_1", Connections: n, At: began})
		}
		stop()
		<-done
		if got := table.writes.Load(); got != tracesWaitOf+2 {
			t.Errorf("rows written when Run has ended: got %d, want %d", got, tracesWaitOf+2)
		}
	})
}

func TestWhatATracerDropsIsMeasuredOnce(t *testing.T) {
	var told []string
	measure := func(values ...slog.Attr) {
		for _, v := range values {
			told = append(told, v.String())
		}
	}
	var none *Tracer
	none.Measure(measure)
	table := &traceTable{}
	tracer := NewTracer(table, nil)
	tracer.Measure(measure)
	table.fail.Store(true)
	for _, n := range []int{2, 0, 3} {
		for range n {
			tracer.Step("ten_a", tenants.NewID(tenants.PrefixEvent), time.Now(), Step{Name: StepAppended})
		}
		tracer.Flush(t.Context())
		tracer.Measure(measure)
	}
	if !slices.Equal(told, []string{"TraceDropped=2", "TraceDropped=3"}) {
		t.Errorf("measured: got %q, want 2 and then 3", told)
	}
}

func TestSessionsAreBoundedPerTenant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracer := NewTracer(&traceTable{}, nil)
		for range 2 * sessionsATime {
			tracer.Session("ten_a", "alice", Session{Connection: tenants.NewID(tenants.PrefixConnection),
				At: time.Now()})
		}
		tracer.Session("ten_b", "alice", Session{Connection: tenants.NewID(tenants.PrefixConnection), At: time.Now()})
		if got := tracer.Dropped(); got != sessionsATime {
			t.Errorf("sessions dropped: got %d, want %d", got, sessionsATime)
		}
	})
}

func TestSamplingIsByTheEventAndEndsByItself(t *testing.T) {
	now := time.Now()
	on := tenants.Tracing{Since: now, Until: now.Add(time.Minute), Sample: 0.3}
	hits := 0
	for range 10_000 {
		id := tenants.NewID(tenants.PrefixEvent)
		first := on.Samples(id, now)
		if again := on.Samples(id, now.Add(time.Second)); first != again {
			t.Fatal("an event is traced at one time and not at another")
		}
		if first {
			hits++
		}
		if on.Samples(id, on.Until) || (tenants.Tracing{}).Samples(id, now) {
			t.Fatal("an event is traced while tracing is off")
		}
	}
	if hits < 2_700 || hits > 3_300 { // the standard deviation is 46
		t.Errorf("traced of 10,000 events at 0.3: got %d, want 2,700 to 3,300", hits)
	}
}
