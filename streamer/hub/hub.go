package hub

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// Hub fans events out to the connections of this process. Create one with New.
type Hub struct {
	o      Options
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	topics map[topicKey]*topic
	list   []*topic // by index; nil: free
	free   []int

	runnable  queue[*topic]
	reads     queue[ioTask]
	slots     slots
	deadlines deadlines
	stuck     struct {
		mu sync.Mutex
		at []slot
	}
	rechecks rechecks
	tracing  tracingTenants
	poller   pollerOnce

	clock        atomic.Int64  // ms since 1970, as of the last tick
	stamps       atomic.Uint64 // the last stamp given to a topic
	memory       atomic.Int64  // bytes of rings and pages
	draining     atomic.Bool
	node         atomic.Pointer[string]
	stats        counters
	classes      classes
	lastRetryLog atomic.Int64 // ms; when a retry was last logged
}

// ioTask is I/O for a topic; the topic runs the function that it returns.
type ioTask struct {
	t *topic
	f func(context.Context) func(*worker)
}

// New starts a hub. Close ends it.
func New(o Options) *Hub {
	o.defaults()
	h := &Hub{o: o, topics: make(map[topicKey]*topic)}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.classes.init()
	h.runnable.init()
	h.reads.init()
	h.deadlines.byTick = make(map[int64][]slot)
	h.rechecks.wanted = make(map[tenants.TenantID]bool)
	h.clock.Store(time.Now().UnixMilli())
	h.deadlines.passed = h.now() / tick.Milliseconds()
	h.node.Store(&o.Node)
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	for range o.Workers {
		h.wg.Go(newWorker(h).work)
	}
	for range h.o.Readers {
		h.wg.Go(h.read)
	}
	h.wg.Go(h.sweep)
	return h
}

// Close ends every connection at once and then the hub. Drain is the gentle way.
func (h *Hub) Close() {
	h.draining.Store(true)
	for _, c := range h.slots.all() {
		c.mu.Lock()
		c.abort(causeClosed)
		c.mu.Unlock()
	}
	h.cancel()
	h.runnable.close()
	h.reads.close()
	h.poller.close()
	h.wg.Wait()
}

// Send delivers notices to this node: it implements [tenants.Inboxes] for a single process. A notice without a
// channel says that the tenant has changed: see Recheck.
func (h *Hub) Send(_ context.Context, node string, ns ...tenants.InboxMessage) error {
	if node != h.nodeID() {
		return tenants.Errorf(tenants.NotFound, "node_not_found", "no node has this name")
	}
	h.Deliver(ns...)
	return nil
}

// Deliver delivers notices to this node, under any name of it. It does not block.
func (h *Hub) Deliver(ns ...tenants.InboxMessage) {
	for _, n := range ns {
		if n.Channel == "" {
			h.Recheck(n.Tenant)
			continue
		}
		h.mu.Lock()
		t := h.topics[topicKey{n.Tenant, n.Channel}]
		h.mu.Unlock()
		if t != nil {
			t.post(op{kind: opDeliver, events: n.Events})
		}
	}
}

// Drain ends every connection within the time given, one by one in random order, each with a goodbye and a random
// retry time. New connections are refused from now on. Drain returns once the last socket is closed, so that closing
// the hub or the process afterwards cuts off no goodbye: at most some 2 s after the last one, or when ctx ends. A
// client that reads the response to its poll slowly may take longer.
func (h *Hub) Drain(ctx context.Context, over time.Duration) {
	h.draining.Store(true)
	w := newWorker(h)
	conns := h.slots.all()
	rand.Shuffle(len(conns), func(i, j int) { conns[i], conns[j] = conns[j], conns[i] })
	begin := time.Now()
	for i, c := range conns {
		if wait := over*time.Duration(i)/time.Duration(len(conns)) - time.Since(begin); wait > tick/2 {
			select {
			case <-time.After(wait):
			case <-ctx.Done():
			}
		}
		c.goodbye(w)
	}
	for {
		conns := h.slots.all() // connections with last bytes to write, and those that Open admitted as the drain began
		if len(conns) == 0 {
			return
		}
		for _, c := range conns {
			c.goodbye(w)
		}
		select {
		case <-time.After(tick):
		case <-ctx.Done():
			return
		case <-h.ctx.Done():
			return
		}
	}
}

func (h *Hub) nodeID() string { return *h.node.Load() }

// now returns the hub's clock in ms since 1970, exact to a tick.
func (h *Hub) now() int64 { return h.clock.Load() }

// topic returns the channel's topic and creates it if necessary.
func (h *Hub) topic(k topicKey) *topic {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.topics[k]
	if t == nil {
		t = &topic{hub: h, key: k, emptySince: h.now()}
		t.changed()
		h.topics[k] = t
		if n := len(h.free); n > 0 {
			t.index = h.free[n-1]
			h.free = h.free[:n-1]
			h.list[t.index] = t
		} else {
			t.index = len(h.list)
			h.list = append(h.list, t)
		}
	}
	return t
}

const ioTime = 30 * time.Second

// io runs f where it may block; the topic runs the function that f returns.
func (h *Hub) io(t *topic, f func(context.Context) func(*worker)) {
	h.reads.push(t.key.tenant, ioTask{t, f})
}

func (h *Hub) read() {
	for {
		j, ok := h.reads.pop()
		if !ok {
			return
		}
		ctx, cancel := context.WithTimeout(h.ctx, ioTime)
		then := j.f(ctx)
		cancel()
		j.t.post(op{kind: opDone, then: then})
	}
}

// after makes the topic run then after d.
func (h *Hub) after(t *topic, d time.Duration, then func(*worker)) {
	time.AfterFunc(d, func() {
		if h.ctx.Err() == nil {
			t.post(op{kind: opDone, then: then})
		}
	})
}

// logRetry logs an error after which the hub retries, at most once a second.
func (h *Hub) logRetry(what string, err error) {
	h.stats.troubles.Add(1)
	last, now := h.lastRetryLog.Load(), h.now()
	if h.ctx.Err() == nil && now-last >= 1000 && h.lastRetryLog.CompareAndSwap(last, now) {
		h.o.Logger.Warn("hub: retrying", "operation", what, "error", err)
	}
}

func newWorker(h *Hub) *worker { return &worker{hub: h} }
