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

// traceTable counts writes, and refuses them where it is told to.
type traceTable struct {
	tenants.Table
	writes atomic.Int64
	fail   atomic.Bool
	block  chan struct{} // nil: nobody waits
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
			t.Error("somebody waited")
		}
		if got := tracer.Dropped(); got != 2*tracesWaitOf {
			t.Errorf("%d dropped of one tenant that wants too much", got)
		}
		close(table.block)
		time.Sleep(time.Second)
		if got := table.writes.Load(); got != tracesWaitOf+1 {
			t.Errorf("%d rows were written", got)
		}
		table.fail.Store(true)
		tracer.Step("ten_a", tenants.NewID(tenants.PrefixEvent), began, Step{Name: StepFannedOut, At: began})
		time.Sleep(time.Second)
		if got := tracer.Dropped(); got != 2*tracesWaitOf+1 {
			t.Errorf("%d dropped once the table refuses", got)
		}
		table.fail.Store(false)
		event := tenants.NewID(tenants.PrefixEvent)
		for n := range 10 { // the last one tells it all
			tracer.Step("ten_a", event, began, Step{Name: StepWritten, Node: "nod_1", Connections: n, At: began})
		}
		stop()
		<-done
		if got := table.writes.Load(); got != tracesWaitOf+2 {
			t.Errorf("%d rows were written, the last ones at the end", got)
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
		t.Errorf("%q", told)
	}
}

func TestSessionsAreBoundedPerTenant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracer := NewTracer(&traceTable{}, nil)
		for range 2 * sessionsATime {
			tracer.Session("ten_a", "alice", Session{Connection: tenants.NewID(tenants.PrefixConnection), At: time.Now()})
		}
		tracer.Session("ten_b", "alice", Session{Connection: tenants.NewID(tenants.PrefixConnection), At: time.Now()})
		if got := tracer.Dropped(); got != sessionsATime {
			t.Errorf("%d dropped", got)
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
			t.Fatal("the same event is and is not traced")
		}
		if first {
			hits++
		}
		if on.Samples(id, on.Until) || (tenants.Tracing{}).Samples(id, now) {
			t.Fatal("an event is traced while it is off")
		}
	}
	if hits < 2_700 || hits > 3_300 { // 46 is a standard deviation
		t.Errorf("%d of 10,000 are traced at 0.3", hits)
	}
}
