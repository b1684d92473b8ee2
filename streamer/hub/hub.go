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

// Hub fans events out to the connections of this process. Make one with New.
type Hub struct {
	o      Options
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	topics map[topicKey]*topic
	list   []*topic // by index; nil: free
	holes  []int

	runnable  queue[*topic]
	reads     queue[job]
	slots     slots
	deadlines deadlines
	stuck     struct {
		mu sync.Mutex
		at []slot
	}
	rechecks rechecks
	tracing  traced
	poller   pollerOnce

	clock    atomic.Int64  // ms since 1970, as of the last tick
	stamps   atomic.Uint64 // of topics' rings
	memory   atomic.Int64  // bytes of rings and pages
	draining atomic.Bool
	node     atomic.Pointer[string]
	stats    counters
	classes  classes
	troubles atomic.Int64 // ms; when trouble was logged last
}

// job is I/O for a topic; what it returns is run by the topic.
type job struct {
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

// Send takes notices for this node: it is [tenants.Inboxes] where there is one process. A notice without a channel says that
// something about the tenant changed: see Recheck.
func (h *Hub) Send(_ context.Context, node string, ns ...tenants.Notice) error {
	if node != h.nodeID() {
		return tenants.Errorf(tenants.NotFound, "node_not_found", "there is no such node")
	}
	h.Deliver(ns...)
	return nil
}

// Deliver takes notices for this node, under whatever name they came. It does not wait.
func (h *Hub) Deliver(ns ...tenants.Notice) {
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

// Drain ends every connection within the time given, one by one in random order, each with a goodbye and a retry time of its
// own. New ones are refused from now on. It returns once the last socket is closed, so that what closes next (the hub, the
// process) takes no goodbye away that is still under way; that is at most some 2 s after the last goodbye, or when ctx ends; a client
// that reads the answer to its poll slowly has longer.
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
		conns := h.slots.all() // those whose last bytes are on their way, and those that Open let in as the drain began
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

// now is the hub's clock, in ms since 1970, to a tick.
func (h *Hub) now() int64 { return h.clock.Load() }

// topic returns the channel's topic, making it if there is none.
func (h *Hub) topic(k topicKey) *topic {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.topics[k]
	if t == nil {
		t = &topic{hub: h, key: k, emptySince: h.now()}
		t.changed()
		h.topics[k] = t
		if n := len(h.holes); n > 0 {
			t.index = h.holes[n-1]
			h.holes = h.holes[:n-1]
			h.list[t.index] = t
		} else {
			t.index = len(h.list)
			h.list = append(h.list, t)
		}
	}
	return t
}

const ioTime = 30 * time.Second

// io has f run where waiting is allowed, and what it returns run by the topic.
func (h *Hub) io(t *topic, f func(context.Context) func(*worker)) {
	h.reads.push(t.key.tenant, job{t, f})
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

// after has then run by the topic after a while.
func (h *Hub) after(t *topic, d time.Duration, then func(*worker)) {
	time.AfterFunc(d, func() {
		if h.ctx.Err() == nil {
			t.post(op{kind: opDone, then: then})
		}
	})
}

// troubled logs what went wrong and will be tried again, at most once a second.
func (h *Hub) troubled(what string, err error) {
	h.stats.troubles.Add(1)
	last, now := h.troubles.Load(), h.now()
	if h.ctx.Err() == nil && now-last >= 1000 && h.troubles.CompareAndSwap(last, now) {
		h.o.Logger.Warn("hub: will try again", "doing", what, "error", err)
	}
}

func newWorker(h *Hub) *worker { return &worker{hub: h} }
