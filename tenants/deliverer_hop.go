package tenants

import (
	"context"
	"time"
)

// soon is how near an errand's time may be to be taken for due: queues delay by whole seconds.
const soon = 500 * time.Millisecond

// Hop does what messages of the waiting queue ask for: those that are due, and whose endpoint can
// take them, it sends to the ready queue, the others round again. It returns the
// indexes of those that failed, in ascending order.
func (d *Deliverer) Hop(ctx context.Context, rs []Received) (failed []int) {
	results := make([]error, len(rs))
	due := make(map[string][]Message) // for the ready queue, by endpoint
	from := make(map[string][]int)
	var endpoints []string
	var round []Message
	var roundFrom []int
	of, held := make(map[string]Endpoint), make(map[string]time.Time)
	now := time.Now()
	for i, r := range rs {
		m, err := decodeErrand(r.Body)
		switch {
		case err != nil:
			results[i] = err
		case m.Due.Sub(now) > soon:
			round, roundFrom = append(round, m.waiting(now)), append(roundFrom, i)
		case m.Do == doReplay:
			results[i] = d.replay(ctx, m)
		default:
			key := string(m.Tenant) + "/" + m.Endpoint
			ep, known := of[key]
			if !known {
				if ep, err = d.endpoint(ctx, m); err != nil {
					if !notFound(err) {
						results[i] = err
					}
					continue // of an endpoint that is gone nothing is left to do
				}
				h, _, err := d.healthOf(ctx, m.Tenant, m.Endpoint)
				if err != nil {
					results[i] = err
					continue
				}
				of[key], held[key] = ep, later(h.heldUntil(now), h.Full)
				endpoints = append(endpoints, key)
			}
			if until := held[key]; m.Do == doSend && !m.Force && until.After(now) && now.Before(ep.deadline(m.Began)) {
				round, roundFrom = append(round, m.again(d.spread(until, until.Sub(now))).waiting(now)), append(roundFrom, i)
				continue
			}
			due[key], from[key] = append(due[key], m.ready(ep)), append(from[key], i)
		}
	}
	inParallel(len(endpoints)+1, groupsAtOnce, func(i int) error {
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
	for i, err := range results {
		if err != nil {
			d.warn(ctx, "a waiting message failed", "receives", rs[i].Receives, "error", err)
			failed = append(failed, i)
		}
	}
	return failed
}

// blame notes err as the result of those at the indexes.
func blame(results []error, at []int, err error) {
	for _, i := range at {
		results[i] = err
	}
}
