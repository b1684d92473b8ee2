package tenantstest

import (
	"context"
	"slices"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// Receive implements tenants.Queue.
func (q *Queue) Receive(ctx context.Context, max int, wait time.Duration) ([]tenants.Received, error) {
	if max < 1 || wait < 0 {
		breach("a Receive must have a positive max and no negative wait: %d, %v", max, wait)
	}
	f, err := q.begin(ctx, Call{Method: "Receive"}, "")
	if err != nil {
		return nil, err
	}
	if f.unread {
		return nil, errUnavailable
	}
	until := time.Now().Add(wait)
	for {
		got, next, news := q.take(f, max, until)
		now := time.Now()
		if len(got) > 0 || !now.Before(until) {
			return got, f.end(ctx, nil)
		}
		if err := await(ctx, news, next.Sub(now)); err != nil {
			return nil, err
		}
	}
}

// take returns the visible messages. If there are none, it returns when the next one becomes visible by itself, and a
// channel that signals other changes.
func (q *Queue) take(f *fate, max int, until time.Time) (got []tenants.Received, next time.Time, news <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	if now.Before(q.quiet) {
		return nil, q.waitFor(q.quiet, until), q.news
	}
	q.bury(now)
	blocked := map[string]bool{}
	for _, m := range q.messages {
		if m.visible.After(now) {
			if m.Group != "" {
				blocked[m.Group] = true
			}
			if next.IsZero() || m.visible.Before(next) {
				next = m.visible
			}
		}
	}
	visibility := q.visibility
	if f.rng.Float64() < f.faults.Lapsed {
		visibility = time.Duration(f.rng.Int64N(int64(visibility)))
	}
	for _, m := range q.messages {
		if len(got) == max {
			break
		}
		if m.visible.After(now) || m.Group != "" && blocked[m.Group] {
			continue
		}
		m.visible, m.receipt = now.Add(visibility), q.newReceipt()
		if next.IsZero() || m.visible.Before(next) {
			next = m.visible
		}
		m.receives++
		r := tenants.Received{Message: m.Message, Receipt: m.receipt, Receives: m.receives, Sent: m.sent}
		r.Body = slices.Clone(m.Body)
		got = append(got, r)
	}
	if len(got) == 0 { // no message is visible before then
		if q.quiet = next; next.IsZero() {
			q.quiet = now.Add(time.Hour)
		}
		next = q.waitFor(next, until)
	}
	return got, next, q.news
}

// waitFor records and returns when a receiver that waits until the given time looks again. next is when a message
// becomes visible by itself, or zero.
func (q *Queue) waitFor(next, until time.Time) time.Time {
	if next.IsZero() || next.After(until) {
		next = until
	}
	if next.After(q.waited) {
		q.waited = next
	}
	return next
}

// bury moves messages to the dead letters that are visible again and were received often enough.
func (q *Queue) bury(now time.Time) {
	if q.maxReceives == 0 || q.dead == nil {
		return
	}
	q.messages = slices.DeleteFunc(q.messages, func(m *message) bool {
		if m.visible.After(now) || m.receives < q.maxReceives {
			return false
		}
		if m.again {
			return true
		}
		q.dead.mu.Lock()
		defer q.dead.mu.Unlock()
		q.dead.messages = append(q.dead.messages, &message{Message: m.Message, sent: m.sent, visible: now})
		q.dead.changed()
		return true
	})
}
