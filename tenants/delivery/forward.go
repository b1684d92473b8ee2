package delivery

import (
	"context"
	"slices"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/worker"
)

const (
	dueWithin  = 500 * time.Millisecond // a message is due if its time is this close: queues delay by whole seconds
	hideAtMost = 11 * time.Hour         // for a message that stays: SQS hides a message for 12 hours at most
)

// Forward handles messages of the waiting queue. It sends those that are due, and whose endpoint can take them, to
// the ready queue, and the others to the waiting queue again. It returns the indexes of messages that are not done,
// in ascending order; the queue shows these again.
//
// A message that is received again may have been forwarded the first time. From then on it stays in the queue, hidden
// until it is due: if it were sent again, a queue that loses acknowledgements would double its messages each time.
func (d *Deliverer) Forward(ctx context.Context, rs []tenants.Received) (failed []int) {
	return d.classify(ctx, rs).run(ctx, d)
}

// plan is what Forward does with a batch. Each message is in one part, by its index in the batch, or needs nothing.
type plan struct {
	batch    []tenants.Received
	steps    []item      // of replays and resumptions
	waiting  *transfer   // to the waiting queue
	all      []*transfer // waiting, and one to the ready queue for each endpoint
	stays    []item      // stay in the waiting queue, hidden until they are due
	failures worker.Failures
}

// item is a message by its index in the batch.
type item struct {
	index int
	m     message
}

// transfer is the messages that are sent to a queue in one call.
type transfer struct {
	queue    tenants.Queue
	messages []tenants.Message
	from     []int // of each message, its index in the batch
}

func (t *transfer) add(index int, m tenants.Message) {
	t.messages, t.from = append(t.messages, m), append(t.from, index)
}

// target is an endpoint of messages that are due.
type target struct {
	ep     endpoint.Endpoint
	health endpoint.Health
	ready  *transfer
}

// classify sorts a batch. It reads each endpoint and its health once, and changes nothing.
func (d *Deliverer) classify(ctx context.Context, batch []tenants.Received) *plan {
	p := &plan{batch: batch, waiting: &transfer{queue: d.Waiting}}
	p.all = append(p.all, p.waiting)
	targets := make(map[string]*target)
	now := time.Now()
	for i, r := range batch {
		m, err := decodeMessage(r.Body)
		switch {
		case err != nil:
			p.failures.Add(err, i)
			continue
		case m.Due.Sub(now) > dueWithin:
			p.putOff(i, m, now)
			continue
		case m.Do == doReplay || m.Do == doResume:
			p.steps = append(p.steps, item{i, m})
			continue
		}
		name := endpointName(m.Tenant, m.Endpoint)
		to := targets[name]
		if to == nil {
			to = &target{ready: &transfer{queue: d.Ready}}
			if to.ep, err = d.endpoint(ctx, m); tenants.IsNotFound(err) {
				continue // there is nothing to do for a deleted endpoint
			}
			if err == nil {
				to.health, _, err = d.healths().Find(ctx, m.Tenant, m.Endpoint)
			}
			if err != nil {
				p.failures.Add(err, i)
				continue
			}
			targets[name], p.all = to, append(p.all, to.ready)
		}
		full := to.health.FullUntil(now)
		if m.Do == doSend && !m.Force && !full.IsZero() && now.Before(to.ep.Deadline(m.Began)) {
			p.putOff(i, m.again(d.spread(full, to.health.Spread(now))), now)
			continue
		}
		to.ready.add(i, m.ready(to.ep))
	}
	return p
}

// putOff keeps a message in the waiting queue until it is due.
func (p *plan) putOff(index int, m message, now time.Time) {
	if p.batch[index].Receives > 1 {
		p.stays = append(p.stays, item{index, m})
		return
	}
	p.waiting.add(index, m.waiting(now))
}

// run carries the plan out and returns the indexes of messages that are not done, in ascending order.
func (p *plan) run(ctx context.Context, d *Deliverer) (failed []int) {
	for _, s := range p.steps {
		do := d.replay
		if s.m.Do == doResume {
			do = d.resume
		}
		if err := do(ctx, s.m); err != nil {
			p.failures.Add(err, s.index)
		}
	}
	worker.Each(&p.failures, p.all, func(t *transfer) []int { return t.from }, func(t *transfer) error {
		return sendAll(ctx, t.queue, t.messages)
	})
	failed = d.giveBack(ctx, d.Waiting, p.batch, &p.failures)
	worker.Parallel(len(p.stays), worker.GroupsAtOnce, func(i int) error {
		s := p.stays[i]
		if err := d.Waiting.Release(ctx, min(time.Until(s.m.Due), hideAtMost), p.batch[s.index]); err != nil {
			d.warn(ctx, "release failed", "error", err) // the queue shows it when its visibility timeout ends
		}
		return nil
	})
	for _, s := range p.stays {
		failed = append(failed, s.index)
	}
	slices.Sort(failed)
	return failed
}

// giveBack gives the failed messages of a batch back to their queue and returns their indexes, in ascending order.
func (d *Deliverer) giveBack(ctx context.Context, q tenants.Queue, batch []tenants.Received, f *worker.Failures) []int {
	failed, err := f.Result()
	if err != nil {
		d.warn(ctx, "outbox messages failed", "messages", len(failed), "error", err)
	}
	worker.GiveBack(ctx, q, d.Logger, pick(batch, failed)...)
	return failed
}

func pick[T any](list []T, indexes []int) []T {
	picked := make([]T, len(indexes))
	for i, index := range indexes {
		picked[i] = list[index]
	}
	return picked
}
