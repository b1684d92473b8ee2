package trace

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/cache"
	"github.com/hookcast/hookcast/tenants/record"
	"github.com/hookcast/hookcast/tenants/worker"
)

// Tracer records steps and sessions in the background. It keeps them in memory and writes them within about 200 ms.
// It never blocks its caller: records beyond its bounds, and those that cannot be written, are dropped and counted. A
// nil Tracer records nothing.
type Tracer struct {
	table tenants.Table
	log   *slog.Logger
	some  chan struct{} // holds one value while an op waits
	turn  sync.Mutex    // held while writing

	mu       sync.Mutex
	waiting  map[tenants.Key]tenants.Op
	order    []tenants.Key            // of waiting, the oldest first
	of       map[tenants.TenantID]int // how many wait
	sessions *cache.Rate[tenants.TenantID]
	dropped  atomic.Int64
	measured atomic.Int64 // the part of dropped that Measure has reported
}

const (
	tracesWait    = 4_096 // ops that wait to be written
	tracesWaitOf  = 1_024 // of one tenant
	traceBatch    = 100
	tracesAtOnce  = 16
	traceEvery    = 200 * time.Millisecond // so that a step that is soon recorded again is written once
	traceTime     = 5 * time.Second        // for one Flush
	sessionsATime = 50                     // of one tenant per second
)

// NewTracer returns a Tracer into t. It writes while Run runs, and when Flush is called. log may be nil.
func NewTracer(t tenants.Table, log *slog.Logger) *Tracer {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Tracer{
		table: t, log: log, some: make(chan struct{}, 1), waiting: make(map[tenants.Key]tenants.Op),
		of: make(map[tenants.TenantID]int), sessions: cache.NewRate[tenants.TenantID](10_000),
	}
}

// Step records a step of an event that was received at the given time. It replaces the same step of the same node,
// except for StepAppended, of which the first one counts.
func (t *Tracer) Step(tenant tenants.TenantID, event string, received time.Time, s Step) {
	if t == nil {
		return
	}
	c := tenants.Anything()
	if s.Name == StepAppended {
		c = tenants.Absent()
	}
	t.take(tenants.Put(s.key(tenant, event), record.Encode(s), received.Add(tenants.TraceLife), c))
}

// Session records the start or end of a connection of the subject.
func (t *Tracer) Session(tenant tenants.TenantID, subject string, s Session) {
	if t == nil || subject == "" {
		return
	}
	if _, ok := t.sessions.Take(tenant, sessionsATime, 1); !ok {
		t.dropped.Add(1)
		return
	}
	t.take(tenants.Put(s.key(tenant, subject), record.Encode(s), s.At.Add(tenants.TraceLife), tenants.Anything()))
}

// Dropped returns how many records were not written.
func (t *Tracer) Dropped() int64 {
	if t == nil {
		return 0
	}
	return t.dropped.Load()
}

// Measure calls measure with TraceDropped, the number of records dropped since the last call, unless it is 0.
func (t *Tracer) Measure(measure func(values ...slog.Attr)) {
	now := t.Dropped()
	if now == 0 { // t may be nil
		return
	}
	if n := now - t.measured.Swap(now); n > 0 {
		measure(slog.Int64("TraceDropped", n))
	}
}

func (t *Tracer) take(op tenants.Op) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := op.Row.Key
	if was, known := t.waiting[k]; known {
		if !was.If.IsAbsent() {
			t.waiting[k] = op
		}
		return
	}
	if len(t.waiting) >= tracesWait || t.of[k.Tenant] >= tracesWaitOf {
		t.dropped.Add(1)
		return
	}
	t.waiting[k] = op
	t.order = append(t.order, k)
	t.of[k.Tenant]++
	select {
	case t.some <- struct{}{}:
	default:
	}
}

// batch removes and returns the oldest ops that wait.
func (t *Tracer) batch() []tenants.Op {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := min(len(t.order), traceBatch)
	ops := make([]tenants.Op, 0, n)
	for _, k := range t.order[:n] {
		ops = append(ops, t.waiting[k])
		delete(t.waiting, k)
		if t.of[k.Tenant]--; t.of[k.Tenant] == 0 {
			delete(t.of, k.Tenant)
		}
	}
	if t.order = t.order[n:]; len(t.order) == 0 {
		t.order = nil
	}
	return ops
}

// Run writes records until ctx ends, and then the remaining ones.
func (t *Tracer) Run(ctx context.Context) {
	for {
		select {
		case <-t.some:
			worker.Wait(ctx, traceEvery)
			t.Flush(context.WithoutCancel(ctx))
		case <-ctx.Done():
			t.Flush(context.WithoutCancel(ctx))
			return
		}
	}
}

// Flush writes the records that wait, within 5 seconds: a Lambda function calls it before it returns, since its
// process may be frozen until the next call. Records that arrive meanwhile may be left.
func (t *Tracer) Flush(ctx context.Context) {
	if t == nil {
		return
	}
	t.turn.Lock()
	defer t.turn.Unlock()
	ctx, cancel := context.WithTimeout(ctx, traceTime)
	defer cancel()
	for range tracesWait/traceBatch + 1 {
		ops := t.batch()
		if len(ops) == 0 {
			return
		}
		failed := make([]error, len(ops))
		worker.Parallel(len(ops), tracesAtOnce, func(i int) error {
			if err := t.table.Write(ctx, ops[i]); !tenants.IsRefused(err) {
				failed[i] = err
			}
			return nil
		})
		failed = slices.DeleteFunc(failed, func(err error) bool { return err == nil })
		if lost := len(failed); lost > 0 {
			t.dropped.Add(int64(lost))
			t.log.WarnContext(ctx, "trace records could not be written", "rows", lost, "error", failed[lost-1])
		}
	}
}
