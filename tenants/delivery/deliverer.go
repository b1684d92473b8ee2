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

// Deliverer makes attempts: it does what the messages of the two queues ask for.
type Deliverer struct {
	*Outbox
	sender tenants.Sender
	pace   *endpoint.Pace
	seen   *cache.Cache[string, endpoint.Endpoint] // by tenant and id

	ending <-chan struct{} // once it is closed no attempt is begun; nil: never

	// Observe hears what came of each message. Nil: nobody does. Set it before the first one.
	Observe func(Outcome)
}

// Outcome is what came of a message.
type Outcome string

// The outcomes. The first four are of attempts.
const (
	OutcomeDelivered Outcome = "delivered"
	OutcomeRetry     Outcome = "retry" // it failed, and there is another
	OutcomeDead      Outcome = "dead"
	OutcomeHeld      Outcome = "held" // put off, and not counted as an attempt
	OutcomeDropped   Outcome = "dropped"
	OutcomeFailed    Outcome = "failed" // ours to do again: the message comes back
)

// Outcomes lists all there are.
func Outcomes() []Outcome {
	return []Outcome{OutcomeDelivered, OutcomeRetry, OutcomeDead, OutcomeHeld, OutcomeDropped, OutcomeFailed}
}

// NewDeliverer makes a Deliverer.
func NewDeliverer(o *Outbox, s tenants.Sender) *Deliverer {
	return &Deliverer{Outbox: o, sender: s, pace: &endpoint.Pace{Table: o.Table}, seen: cache.New[string, endpoint.Endpoint](cache.ReadTTL, 10_000, 1_000)}
}

const (
	attemptTime = 40 * time.Second // one message is done within this: a turn, two tries of 15 s at most, and the table
	earlyAfter  = time.Second
)

// AttemptTime is how long one message may take. The time for which a queue keeps a message its receiver's is longer, and so is what Deliver is
// given.
const AttemptTime = attemptTime

// Deliver does what messages of the ready queue ask for and returns the indexes of those that failed, in ascending order: they have been given
// back to the queue, the others are done. Messages of one group are done one after the other, a failed one takes the later ones
// with it. What there is no time for before ctx ends is put at the end of its lane.
//
// A batch may hold one that takes long. Those that are done are told to the queue a second on, so that nobody waits for it in their lanes.
func (d *Deliverer) Deliver(ctx context.Context, rs []tenants.Received) (failed []int) {
	var groups []string
	byGroup := make(map[string][]int)
	for i, r := range rs {
		if byGroup[r.Group] == nil {
			groups = append(groups, r.Group)
		}
		byGroup[r.Group] = append(byGroup[r.Group], i)
	}
	settled := &settling{queue: d.Ready, done: make([]bool, len(rs)), rs: rs}
	if len(groups) > 1 {
		timer := time.AfterFunc(earlyAfter, func() { settled.early(ctx) })
		defer timer.Stop()
	}
	worker.Parallel(len(groups), max(len(groups), 1), func(i int) error {
		for _, at := range byGroup[groups[i]] {
			outcome, err := d.do(ctx, rs[at])
			d.observe(outcome)
			if err != nil {
				d.warn(ctx, "a delivery's message failed", "receives", rs[at].Receives, "error", err)
				return nil
			}
			settled.mark(ctx, at)
		}
		return nil
	})
	settled.mu.Lock()
	defer settled.mu.Unlock()
	var back []tenants.Received
	for i, ok := range settled.done {
		if !ok {
			failed, back = append(failed, i), append(back, rs[i])
		}
	}
	worker.GiveBack(ctx, d.Ready, d.Logger, back...)
	return failed
}

func (d *Deliverer) observe(o Outcome) {
	if d.Observe != nil {
		d.Observe(o)
	}
}

// settling tells a queue of messages that are done before their batch is.
type settling struct {
	queue tenants.Queue
	rs    []tenants.Received

	mu   sync.Mutex
	done []bool
	told bool // from now on each is told as it is done
}

func (s *settling) mark(ctx context.Context, i int) {
	s.mu.Lock()
	s.done[i] = true
	told := s.told
	s.mu.Unlock()
	if told {
		_ = s.queue.Done(ctx, s.rs[i]) // whoever gave us the batch tells it again
	}
}

func (s *settling) early(ctx context.Context) {
	s.mu.Lock()
	s.told = true
	var ready []tenants.Received
	for i, ok := range s.done {
		if ok {
			ready = append(ready, s.rs[i])
		}
	}
	s.mu.Unlock()
	if len(ready) > 0 {
		_ = s.queue.Done(ctx, ready...)
	}
}

// do does what one message asks for.
func (d *Deliverer) do(ctx context.Context, r tenants.Received) (Outcome, error) {
	m, err := decodeErrand(r.Body)
	if err != nil {
		return OutcomeFailed, err // each time, until the queue puts it with the dead letters
	}
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	ep, err := d.endpoint(ctx, m)
	if tenants.IsNotFound(err) {
		return OutcomeDropped, nil // of an endpoint that is gone nothing is left to do
	}
	if err != nil {
		return OutcomeFailed, err
	}
	if end, ok := ctx.Deadline(); ok && time.Until(end) < attemptTime-attemptTime/8 { // its batch has taken the time
		m.Hop++
		return outcomeOf(OutcomeHeld, d.Ready.Send(ctx, m.ready(ep)))
	}
	away, err := d.away(ctx, ep)
	if tenants.IsNotFound(err) {
		return OutcomeDropped, nil
	}
	if err != nil {
		return OutcomeFailed, err
	}
	if time.Since(r.Sent) > endpoint.FullAfter && !away {
		d.full(ctx, ep)
	}
	switch m.Do {
	case doSend:
		return d.send(ctx, ep, m, away)
	case doPump:
		return d.pump(ctx, ep, m, away)
	}
	return OutcomeFailed, tenants.Errorf(tenants.Internal, "errand_undecodable", "a message asks for what this release does not know")
}

func outcomeOf(o Outcome, err error) (Outcome, error) {
	if err != nil {
		return OutcomeFailed, err
	}
	return o, nil
}

// endpoint reads the errand's endpoint, at most 5 s old.
func (d *Deliverer) endpoint(ctx context.Context, m errand) (endpoint.Endpoint, error) {
	return d.seen.Get(ctx, string(m.Tenant)+"/"+m.Endpoint, func(ctx context.Context) (endpoint.Endpoint, error) {
		return d.Endpoints.Get(ctx, m.Tenant, m.Endpoint)
	})
}

// away tells whether the endpoint gets nothing for now: it is not enabled, or its tenant is suspended. A tenant that is gone: NotFound.
func (d *Deliverer) away(ctx context.Context, ep endpoint.Endpoint) (bool, error) {
	switch _, err := d.Tenants.Limits(ctx, ep.Tenant); {
	case err == nil:
		return ep.State != endpoint.Enabled, nil
	case tenants.KindOf(err) == tenants.Forbidden:
		return true, nil
	default:
		return false, err
	}
}

// full notes that what comes for the endpoint waits too long in its lanes: a queue looks for groups among so many messages at most, and
// one endpoint's must not be all of them.
func (d *Deliverer) full(ctx context.Context, ep endpoint.Endpoint) {
	err := d.healths().Change(ctx, ep.Tenant, ep.ID, func(h endpoint.Health) (endpoint.Health, bool) {
		now := time.Now()
		changed := h.Full.Sub(now) < endpoint.FullFor/2
		h.Full = now.Add(endpoint.FullFor)
		return h, changed
	})
	if err != nil {
		d.warn(ctx, "an endpoint's backlog could not be noted", "tenant", ep.Tenant, "endpoint", ep.ID, "error", err)
	}
}
