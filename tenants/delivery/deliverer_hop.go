package delivery

import (
	"context"
	"slices"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/endpoint"
	"github.com/hookcast/hookcast/tenants/worker"
)

// soon is how near an errand's time may be to be taken for due: queues delay by whole seconds.
const soon = 500 * time.Millisecond

// residentAtMost is how long a message is hidden at a time; SQS hides none for more than 12 hours.
const residentAtMost = 11 * time.Hour

// Forward does what messages of the waiting queue ask for: those that are due, and whose endpoint can
// take them, it sends to the ready queue, the others round again. It returns the
// indexes of those that are not done, in ascending order; they have been given back.
//
// A message that comes a second time may have been sent on the first time. It stays from then on, and is hidden until it is due: were it sent on
// again, a queue that loses what it is told would have twice as many messages each quarter of an hour.
func (d *Deliverer) Forward(ctx context.Context, rs []tenants.Received) (failed []int) {
	results := make([]error, len(rs))
	due := make(map[string][]tenants.Message) // for the ready queue, by endpoint
	from := make(map[string][]int)
	var endpoints []string
	var round []tenants.Message
	var stay []int // messages that are hidden until
	var until []time.Time
	var roundFrom []int
	of, sick := make(map[string]endpoint.Endpoint), make(map[string]endpoint.Health)
	now := time.Now()
	for i, r := range rs {
		m, err := decodeErrand(r.Body)
		switch {
		case err != nil:
			results[i] = err
		case m.Due.Sub(now) > soon && r.Receives > 1:
			stay = append(stay, i)
			until = append(until, m.Due)
		case m.Due.Sub(now) > soon:
			round, roundFrom = append(round, m.waiting(now)), append(roundFrom, i)
		case m.Do == doReplay:
			results[i] = d.replay(ctx, m)
		case m.Do == doResume:
			results[i] = d.resume(ctx, m)
		default:
			key := string(m.Tenant) + "/" + m.Endpoint
			ep, known := of[key]
			if !known {
				if ep, err = d.endpoint(ctx, m); err != nil {
					if !tenants.IsNotFound(err) {
						results[i] = err
					}
					continue // of an endpoint that is gone nothing is left to do
				}
				h, _, err := d.healths().Find(ctx, m.Tenant, m.Endpoint)
				if err != nil {
					results[i] = err
					continue
				}
				of[key], sick[key] = ep, h
				endpoints = append(endpoints, key)
			}
			if full := sick[key].FullUntil(now); m.Do == doSend && !m.Force && !full.IsZero() && now.Before(ep.Deadline(m.Began)) {
				back := d.spread(full, sick[key].Spread(now))
				if r.Receives > 1 {
					stay, until = append(stay, i), append(until, back)
					continue
				}
				round, roundFrom = append(round, m.again(back).waiting(now)), append(roundFrom, i)
				continue
			}
			due[key], from[key] = append(due[key], m.ready(ep)), append(from[key], i)
		}
	}
	worker.Parallel(len(endpoints)+1, worker.GroupsAtOnce, func(i int) error {
		if i == len(endpoints) {
			if len(round) > 0 {
				blame(results, roundFrom, d.Waiting.Send(ctx, round...))
			}
			return nil
		}
		if ms := due[endpoints[i]]; len(ms) > 0 {
			blame(results, from[endpoints[i]], d.Ready.Send(ctx, ms...))
		}
		return nil
	})
	var back []tenants.Received
	for i, err := range results {
		if err != nil {
			d.warn(ctx, "a waiting message failed", "receives", rs[i].Receives, "error", err)
			failed, back = append(failed, i), append(back, rs[i])
		}
	}
	worker.GiveBack(ctx, d.Waiting, d.Logger, back...)
	worker.Parallel(len(stay), worker.GroupsAtOnce, func(i int) error {
		if err := d.Waiting.Release(ctx, min(time.Until(until[i]), residentAtMost), rs[stay[i]]); err != nil {
			d.warn(ctx, "release failed", "error", err) // it comes again when its visibility is over
		}
		return nil
	})
	failed = append(failed, stay...)
	slices.Sort(failed)
	return failed
}

// blame notes err as the result of those at the indexes.
func blame(results []error, at []int, err error) {
	for _, i := range at {
		results[i] = err
	}
}
