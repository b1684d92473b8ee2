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

	ending <-chan struct{} // once it is closed, no attempt begins; nil: never

	// Observe, if not nil, is called with the outcome of each message. It must be set before the first one.
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
	return &Deliverer{Outbox: o, sender: s, pace: &endpoint.Pace{Table: o.Table}, seen: seen}
}

// AttemptTime bounds the work of one message: a turn, two tries of at most 15 s, and the table's calls. The visibility
// timeout of the ready queue must be longer, and so must the time that Deliver is given.
const AttemptTime = 40 * time.Second

const acknowledgeAfter = time.Second

// lane is the messages of one group in a batch, by their indexes.
type lane struct{ left []int }

// Deliver handles messages of the ready queue and returns the indexes of those that failed, in ascending order, which
// it has given back. Messages of a group are handled one after the other; one that fails takes the later ones with
// it. Work for which there is no time before ctx ends goes to the end of its lane.
//
// A batch may contain a slow message. The others are acknowledged after a second, so that their lanes need not wait
// for it.
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
		defer time.AfterFunc(acknowledgeAfter, func() { acks.flush(ctx) }).Stop()
	}
	var failures worker.Failures
	worker.Each(&failures, lanes, func(l *lane) []int { return l.left }, func(l *lane) error {
		for len(l.left) > 0 {
			r := rs[l.left[0]]
			outcome, err := d.do(ctx, r)
			d.observe(outcome)
			if err != nil {
				return err
			}
			l.left = l.left[1:]
			acks.done(ctx, r)
		}
		return nil
	})
	return d.giveBack(ctx, d.Ready, rs, &failures)
}

func (d *Deliverer) observe(o Outcome) {
	if d.Observe != nil {
		d.Observe(o)
	}
}

// acknowledger tells a queue about messages that are done while their batch is not. The batch's owner tells it again.
type acknowledger struct {
	queue tenants.Queue

	mu   sync.Mutex
	held []tenants.Received
	late bool // each message is acknowledged as soon as it is done
}

func (a *acknowledger) done(ctx context.Context, r tenants.Received) {
	a.mu.Lock()
	late := a.late
	a.held = append(a.held, r)
	a.mu.Unlock()
	if late {
		_ = a.queue.Done(ctx, r)
	}
}

func (a *acknowledger) flush(ctx context.Context) {
	a.mu.Lock()
	a.late = true
	held := a.held
	a.mu.Unlock()
	if len(held) > 0 {
		_ = a.queue.Done(ctx, held...)
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
	if tenants.IsNotFound(err) {
		return OutcomeDropped, nil
	} else if err != nil {
		return OutcomeFailed, err
	}
	if end, ok := ctx.Deadline(); ok && time.Until(end) < AttemptTime-AttemptTime/8 { // the batch has used the time up
		m.Hop++
		return outcomeOf(OutcomeHeld, d.Ready.Send(ctx, m.ready(ep)))
	}
	paused, err := d.paused(ctx, ep)
	if tenants.IsNotFound(err) {
		return OutcomeDropped, nil
	} else if err != nil {
		return OutcomeFailed, err
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
	return OutcomeFailed, tenants.Errorf(tenants.Internal, "errand_undecodable",
		"the outbox message asks for unknown work")
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
	read := func(ctx context.Context) (endpoint.Endpoint, error) {
		return d.Endpoints.Get(ctx, m.Tenant, m.Endpoint)
	}
	return d.seen.Get(ctx, endpointName(m.Tenant, m.Endpoint), read)
}

// paused reports whether the endpoint receives nothing for now: it is not enabled, or its tenant is suspended. If the
// tenant has been deleted, the error is NotFound.
func (d *Deliverer) paused(ctx context.Context, ep endpoint.Endpoint) (bool, error) {
	switch _, err := d.Tenants.Limits(ctx, ep.Tenant); {
	case err == nil:
		return ep.State != endpoint.Enabled, nil
	case tenants.KindOf(err) == tenants.Forbidden:
		return true, nil
	default:
		return false, err
	}
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
