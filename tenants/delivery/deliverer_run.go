package delivery

import (
	"context"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/worker"
)

const (
	hopBatch   = 100
	hopWorkers = 2
	graceTime  = 5 * time.Second // for attempts under way when Run is told to end; then they are broken off, and made again
	shareDelay = time.Second     // how long a tenant's message waits that has its share of the workers in hand
)

// Run takes messages of both queues until ctx ends: so many attempts at once at most, and once most of the workers are busy no more than
// half of them for one tenant. Then nothing is begun any more. What is under way has 5 s to end before it is broken off, which leaves its message in the
// queue; of an attempt that has been answered what came of it is still recorded. So Run returns within 5 s where the table and the queues answer, and
// within 25 s where they do not.
func (d *Deliverer) Run(ctx context.Context, workers int) {
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, func() {
		worker.Wait(working, graceTime)
		stop()
	})()
	run := *d
	run.ending = ctx.Done()
	pool := &pool{workers: workers, busy: make(map[tenants.TenantID]int)}
	ready := &worker.Pool{Queue: d.Ready, Workers: workers, Batch: 1, Logger: d.Logger, Handle: func(rs []tenants.Received) []int { return run.inPool(working, pool, rs) }}
	waiting := &worker.Pool{Queue: d.Waiting, Workers: hopWorkers, Batch: hopBatch, Logger: d.Logger, Handle: func(rs []tenants.Received) []int { return run.Forward(working, rs) }}
	var both sync.WaitGroup
	both.Go(func() { ready.Run(ctx) })
	both.Go(func() { waiting.Run(ctx) })
	both.Wait()
}

// pool counts what each tenant has of the workers.
type pool struct {
	workers int

	mu   sync.Mutex
	all  int
	busy map[tenants.TenantID]int
}

// enter tells whether the tenant may have one more.
func (p *pool) enter(t tenants.TenantID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy[t] >= max(p.workers/2, 1) && p.all >= p.workers*3/4 {
		return false
	}
	p.all++
	p.busy[t]++
	return true
}

func (p *pool) leave(t tenants.TenantID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all--
	if p.busy[t]--; p.busy[t] == 0 {
		delete(p.busy, t)
	}
}

// inPool is Deliver for one message, unless its tenant has its share of the workers already: then it waits for a moment.
func (d *Deliverer) inPool(ctx context.Context, p *pool, rs []tenants.Received) []int {
	m, err := decodeErrand(rs[0].Body)
	if err != nil {
		return d.Deliver(ctx, rs)
	}
	if !p.enter(m.Tenant) {
		if err := d.wait(ctx, m.again(d.spread(time.Now().Add(shareDelay), shareDelay))); err != nil {
			return []int{0} // it comes again when its visibility is over
		}
		return nil
	}
	defer p.leave(m.Tenant)
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	return d.Deliver(ctx, rs)
}
