package trace

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/cache"
	"github.com/hookcast/hookcast/tenants/record"
	"github.com/hookcast/hookcast/tenants/worker"
)

// Tracer writes down what becomes of traced events, behind the back of whoever handles them: what it is told it keeps in memory, and writes
// within a moment. It never makes anybody wait, and what is too much for it, or cannot be written, is dropped and counted. A nil Tracer
// takes nothing down.
type Tracer struct {
	table tenants.Table
	log   *slog.Logger
	some  chan struct{} // holds one while something waits
	turn  sync.Mutex    // held by who writes

	mu       sync.Mutex
	waiting  map[tenants.Key]tenants.Op
	order    []tenants.Key // of waiting, the oldest first
	of       map[tenants.TenantID]int
	sessions *cache.Rate[tenants.TenantID]
	dropped  atomic.Int64
	measured atomic.Int64 // of dropped: what Measure told of
}

// Bounds of what waits to be written.
const (
	tracesWait    = 4_096
	tracesWaitOf  = 1_024 // of one tenant
	traceBatch    = 100
	tracesAtOnce  = 16
	traceEvery    = 200 * time.Millisecond // so that one who tells the same thing again, further on, is written once
	traceTime     = 5 * time.Second        // for one batch
	sessionsATime = 50                     // of one tenant in a second
)

// NewTracer makes a Tracer into t. It writes while Run runs, or when Flush is called.
func NewTracer(t tenants.Table, log *slog.Logger) *Tracer {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Tracer{table: t, log: log, some: make(chan struct{}, 1), waiting: make(map[tenants.Key]tenants.Op), of: make(map[tenants.TenantID]int), sessions: cache.NewRate[tenants.TenantID](10_000)}
}

// Step takes down a hop of an event that was received at the time given. What the same one told of the same hop before, it replaces.
func (t *Tracer) Step(tenant tenants.TenantID, event string, received time.Time, h Step) {
	if t == nil {
		return
	}
	c := tenants.Anything()
	if h.Name == StepAppended { // who appends it again finds it there
		c = tenants.Absent()
	}
	t.take(tenants.Put(h.key(tenant, event), record.Encode(h), received.Add(tenants.TraceLife), c))
}

// Session takes down that a connection of the subject came or went.
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

// Dropped is how much was not written.
func (t *Tracer) Dropped() int64 {
	if t == nil {
		return 0
	}
	return t.dropped.Load()
}

// Measure hands on what was dropped since its last call, as TraceDropped, if anything was.
func (t *Tracer) Measure(measure func(values ...slog.Attr)) {
	now := t.Dropped()
	if now == 0 {
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

// batch takes the oldest that wait.
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

// Run writes until ctx ends, and then what is left.
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

// Flush writes what waits now, in no more than some seconds: for a process that is frozen while it has nothing to do. Nothing is left to write
// once it returns, but for what has come meanwhile.
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
		var lost int
		var why error
		for _, err := range failed {
			if err != nil {
				lost, why = lost+1, err
			}
		}
		if lost > 0 {
			t.dropped.Add(int64(lost))
			t.log.WarnContext(ctx, "what was traced could not be written", "rows", lost, "error", why)
		}
	}
}
