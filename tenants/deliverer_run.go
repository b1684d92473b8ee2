package tenants

import (
	"context"
	"sync"
	"time"
)

const (
	hopBatch   = 100
	hopWorkers = 2
	graceTime  = 5 * time.Second // for attempts under way when Run is told to end; then they are broken off, and made again
	shareDelay = time.Second     // how long a tenant's message waits that has its share of the workers in hand
	settleTime = 10 * time.Second
)

// Run takes messages of both queues until ctx ends: so many attempts at once at most, and once most of the workers are busy no more than
// half of them for one tenant. Then what is under way may end, and Run returns.
func (d *Deliverer) Run(ctx context.Context, workers int) {
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	pool := &pool{workers: workers, busy: make(map[TenantID]int)}
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			d.take(ctx, d.Ready, 1, func(rs []Received) []int { return d.inPool(working, pool, rs) })
		})
	}
	for range hopWorkers {
		all.Go(func() {
			d.take(ctx, d.Waiting, hopBatch, func(rs []Received) []int { return d.Hop(working, rs) })
		})
	}
	ended := make(chan struct{})
	go func() {
		all.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return
	case <-ctx.Done():
	}
	grace := time.NewTimer(graceTime)
	defer grace.Stop()
	select {
	case <-ended:
	case <-grace.C:
		stop()
		<-ended
	}
}

// take has handle deal with what q gives, until ctx ends.
func (d *Deliverer) take(ctx context.Context, q Queue, most int, handle func([]Received) []int) {
	for errorsInRow := 0; ctx.Err() == nil; {
		rs, err := q.Receive(ctx, most, receiveWait)
		if err != nil {
			if ctx.Err() == nil {
				errorsInRow++
				d.warn(ctx, "receive failed", "error", err)
				wait(ctx, retryDelay(errorsInRow))
			}
			continue
		}
		errorsInRow = 0
		if len(rs) > 0 {
			d.settle(q, rs, handle(rs))
		}
	}
}

// settle tells the queue which messages are done.
func (d *Deliverer) settle(q Queue, rs []Received, failed []int) {
	ctx, cancel := context.WithTimeout(context.Background(), settleTime)
	defer cancel()
	var done []Received
	for i, r := range rs {
		if len(failed) > 0 && failed[0] == i {
			failed = failed[1:]
			continue
		}
		done = append(done, r)
	}
	if len(done) > 0 {
		if err := q.Done(ctx, done...); err != nil {
			d.warn(ctx, "done failed", "messages", len(done), "error", err)
		}
	}
}

// pool counts what each tenant has of the workers.
type pool struct {
	workers int

	mu   sync.Mutex
	all  int
	busy map[TenantID]int
}

// enter tells whether the tenant may have one more.
func (p *pool) enter(t TenantID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy[t] >= max(p.workers/2, 1) && p.all >= p.workers*3/4 {
		return false
	}
	p.all++
	p.busy[t]++
	return true
}

func (p *pool) leave(t TenantID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all--
	if p.busy[t]--; p.busy[t] == 0 {
		delete(p.busy, t)
	}
}

// inPool is Deliver for one message, unless its tenant has its share of the workers already: then it waits for a moment.
func (d *Deliverer) inPool(ctx context.Context, p *pool, rs []Received) []int {
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
