package delivery

import (
	"context"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/cache"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/worker"
)

// Deliverer does what the messages of the two queues ask for.
type Deliverer struct {
	*Outbox
	sender tenants.Sender
	pace   *endpoint.Pace
	seen   *cache.Cache[string, endpoint.Endpoint] // by endpointName
	ended  func() error                            // once it returns an error, no attempt begins

	// Observe is called with the outcome of each message. It must be set before the first one.
	Observe func(Outcome)
}

// Outcome is the result of a message.
type Outcome string

// The outcomes. The first three are results of attempts.
const (
	OutcomeDelivered Outcome = "delivered"
	OutcomeRetry     Outcome = "retry" // the attempt failed and there will be another
	OutcomeDead      Outcome = "dead"
	OutcomeHeld      Outcome = "held"    // put off, which does not count as an attempt
	OutcomeDropped   Outcome = "dropped" // there was nothing to do
	OutcomeFailed    Outcome = "failed"  // an error on our side: the message comes back
)

// Outcomes returns all outcomes.
func Outcomes() []Outcome {
	return []Outcome{OutcomeDelivered, OutcomeRetry, OutcomeDead, OutcomeHeld, OutcomeDropped, OutcomeFailed}
}

// NewDeliverer returns a Deliverer that makes its requests with s.
func NewDeliverer(o *Outbox, s tenants.Sender) *Deliverer {
	seen := cache.New[string, endpoint.Endpoint](cache.ReadTTL, 10_000, 1_000)
	return &Deliverer{
		Outbox: o, sender: s, pace: &endpoint.Pace{Table: o.Table}, seen: seen, ended: context.Background().Err,
		Observe: func(Outcome) {},
	}
}

// AttemptTime bounds the work of one message: a turn, two tries of at most 15 s, and the table's calls. The visibility
// timeout of the ready queue must be longer, and so must the time that Deliver is given.
const AttemptTime = 40 * time.Second

// lane is the messages of one group in a batch, by their indexes.
type lane struct{ left []int }

// Deliver handles messages of the ready queue and returns the indexes of those that failed, in ascending order, which
// it has given back. Messages of a group are handled one after the other; one that fails takes the later ones with
// it. Work for which there is no time before ctx ends goes to the end of its lane.
//
// A batch may contain a slow message. The others are acknowledged after a second, so their lanes need not wait.
func (d *Deliverer) Deliver(ctx context.Context, rs []tenants.Received) (failed []int) {
	var lanes []*lane
	byGroup := make(map[string]*lane)
	for i, r := range rs {
		l := byGroup[r.Group]
		if l == nil {
			l = new(lane)
			byGroup[r.Group], lanes = l, append(lanes, l)
		}
		l.left = append(l.left, i)
	}
	acks := &acknowledger{queue: d.Ready}
	if len(lanes) > 1 {
		defer time.AfterFunc(time.Second, func() { acks.add(ctx, true) }).Stop()
	}
	var failures worker.Failures
	worker.Each(&failures, lanes, func(l *lane) []int { return l.left }, func(l *lane) error {
		for len(l.left) > 0 {
			r := rs[l.left[0]]
			outcome, err := d.do(ctx, r)
			d.Observe(outcome)
			if err != nil {
				return err
			}
			l.left = l.left[1:]
			acks.add(ctx, false, r)
		}
		return nil
	})
	return d.giveBack(ctx, d.Ready, rs, &failures)
}

// acknowledger tells a queue about messages that are done while their batch is not. The batch's owner tells it again.
type acknowledger struct {
	queue tenants.Queue

	mu   sync.Mutex
	held []tenants.Received
	late bool // each message is acknowledged as soon as it is done
}

// add acknowledges messages that are done and those held, if late is or has been true; otherwise it holds them.
func (a *acknowledger) add(ctx context.Context, late bool, rs ...tenants.Received) {
	a.mu.Lock()
	a.late = a.late || late
	a.held = append(a.held, rs...)
	var now []tenants.Received
	if a.late {
		now, a.held = a.held, nil
	}
	a.mu.Unlock()
	if len(now) > 0 {
		_ = a.queue.Done(ctx, now...)
	}
}

// do does what one message asks for.
func (d *Deliverer) do(ctx context.Context, r tenants.Received) (Outcome, error) {
	m, err := decodeMessage(r.Body)
	if err != nil {
		return OutcomeFailed, err // each time, until the queue moves it to its dead letters
	}
	ctx, cancel := context.WithTimeout(ctx, AttemptTime)
	defer cancel()
	ep, err := d.endpoint(ctx, m)
	paused := false
	if err == nil {
		paused, err = d.paused(ctx, ep)
	}
	if tenants.IsNotFound(err) {
		return OutcomeDropped, nil
	} else if err != nil {
		return OutcomeFailed, err
	}
	if end, ok := ctx.Deadline(); ok && time.Until(end) < AttemptTime-AttemptTime/8 { // the batch has used the time up
		m.Hop++
		return outcomeOf(OutcomeHeld, d.Ready.Send(ctx, m.ready(ep)))
	}
	if time.Since(r.Sent) > endpoint.FullAfter && !paused {
		d.noteBacklog(ctx, ep)
	}
	switch m.Do {
	case doSend:
		return d.send(ctx, ep, m, paused)
	case doChannel:
		return d.deliverChannel(ctx, ep, m, paused)
	}
	return OutcomeFailed, tenants.Errorf(tenants.Internal, "errand_undecodable", "the message asks for unknown work")
}

func outcomeOf(o Outcome, err error) (Outcome, error) {
	if err != nil {
		return OutcomeFailed, err
	}
	return o, nil
}

func endpointName(t tenants.TenantID, id string) string { return string(t) + "/" + id }

// endpoint returns the message's endpoint as it was at most 5 s ago.
func (d *Deliverer) endpoint(ctx context.Context, m message) (endpoint.Endpoint, error) {
	name := endpointName(m.Tenant, m.Endpoint)
	return d.seen.Get(ctx, name, func(ctx context.Context) (endpoint.Endpoint, error) {
		return d.Endpoints.Get(ctx, m.Tenant, m.Endpoint)
	})
}

// paused reports whether the endpoint receives nothing for now: it is not enabled, or its tenant is suspended. If the
// tenant has been deleted, the error is NotFound.
func (d *Deliverer) paused(ctx context.Context, ep endpoint.Endpoint) (bool, error) {
	_, err := d.Tenants.Limits(ctx, ep.Tenant)
	if err != nil && tenants.KindOf(err) == tenants.Forbidden {
		return true, nil
	}
	return ep.State != endpoint.Enabled, err
}

// noteBacklog notes that messages wait too long in the endpoint's lanes, so that new ones wait elsewhere. A queue
// looks for groups among a limited number of messages, and one endpoint's must not be all of them.
func (d *Deliverer) noteBacklog(ctx context.Context, ep endpoint.Endpoint) {
	d.changeHealth(ctx, ep, func(h endpoint.Health) (endpoint.Health, bool) {
		now := time.Now()
		changed := h.Full.Sub(now) < endpoint.FullFor/2
		h.Full = now.Add(endpoint.FullFor)
		return h, changed
	})
}

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
	run.ended = ctx.Err
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

// deliverShared is Deliver for one message. The message waits a moment if its tenant has its share of the workers.
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
