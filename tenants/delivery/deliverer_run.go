package delivery

import (
	"context"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/worker"
)

const (
	forwardBatch   = 100
	forwardWorkers = 2
	graceTime      = 5 * time.Second // for attempts in progress when Run is told to end; later they are cancelled
	shareDelay     = time.Second     // for a message whose tenant has its share of the workers
)

// Run handles messages of both queues until ctx ends, with at most workers attempts at a time. Once most workers are
// busy, one tenant gets at most half of them. After ctx ends nothing begins. Work in progress has 5 s to end; then it
// is cancelled, and its message stays in the queue. The result of an attempt that was answered is recorded all the
// same, so Run returns within 5 s if the table and the queues answer, and within 25 s if they do not.
func (d *Deliverer) Run(ctx context.Context, workers int) {
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, func() {
		worker.Wait(working, graceTime)
		stop()
	})()
	run := *d
	run.ending = ctx.Done()
	s := &shares{workers: workers, busy: make(map[tenants.TenantID]int)}
	ready := &worker.Pool{Queue: d.Ready, Workers: workers, Batch: 1, Logger: d.Logger,
		Handle: func(rs []tenants.Received) []int { return run.deliverShared(working, s, rs) }}
	waiting := &worker.Pool{Queue: d.Waiting, Workers: forwardWorkers, Batch: forwardBatch, Logger: d.Logger,
		Handle: func(rs []tenants.Received) []int { return run.Forward(working, rs) }}
	var both sync.WaitGroup
	both.Go(func() { ready.Run(ctx) })
	both.Go(func() { waiting.Run(ctx) })
	both.Wait()
}

// shares counts the busy workers of each tenant.
type shares struct {
	workers int

	mu   sync.Mutex
	all  int
	busy map[tenants.TenantID]int
}

// enter takes a worker for the tenant, and reports whether it may have it.
func (s *shares) enter(t tenants.TenantID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[t] >= max(s.workers/2, 1) && s.all >= s.workers*3/4 {
		return false
	}
	s.all++
	s.busy[t]++
	return true
}

func (s *shares) leave(t tenants.TenantID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.busy[t]--; s.busy[t] == 0 {
		delete(s.busy, t)
	}
}

// deliverShared is Deliver for one message. If its tenant has its share of the workers already, the message waits a
// moment.
func (d *Deliverer) deliverShared(ctx context.Context, s *shares, rs []tenants.Received) []int {
	m, err := decodeMessage(rs[0].Body)
	if err != nil {
		return d.Deliver(ctx, rs)
	}
	if !s.enter(m.Tenant) {
		if err := d.wait(ctx, m.again(d.spread(time.Now().Add(shareDelay), shareDelay))); err != nil {
			return []int{0} // the queue shows it again when its visibility timeout ends
		}
		return nil
	}
	defer s.leave(m.Tenant)
	ctx, cancel := context.WithTimeout(ctx, AttemptTime)
	defer cancel()
	return d.Deliver(ctx, rs)
}
