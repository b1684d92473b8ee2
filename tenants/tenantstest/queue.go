package tenantstest

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// QueueOptions configures a simulated Queue.
type QueueOptions struct {
	Visibility  time.Duration // how long a received message is hidden; 0 means 30 s
	MaxReceives int           // receives before a message goes to the dead letters; 0 means no limit
	Faults      Faults
}

const dedupeWindow = 5 * time.Minute

// Queue is a simulated tenants.Queue, with and without groups.
type Queue struct {
	Trouble
	visibility  time.Duration
	maxReceives int
	dead        *Queue // nil for a queue of dead letters

	mu       sync.Mutex
	messages []*message // in the order of Send
	seen     map[string]time.Time
	receipts int
	news     chan struct{} // closed and replaced when something may have become visible
	waited   time.Time     // when the last waiting receiver looks again by itself
	quiet    time.Time     // no message is visible before then
}

var _ tenants.Queue = (*Queue)(nil)

type message struct {
	tenants.Message
	sent     time.Time
	visible  time.Time // hidden until then
	receipt  string
	receives int
	again    bool // it was done, and repeats once
}

// NewQueue returns an empty Queue.
func NewQueue(o QueueOptions) *Queue {
	q := newQueue(o)
	q.maxReceives = o.MaxReceives
	q.dead = newQueue(QueueOptions{Visibility: o.Visibility})
	return q
}

func newQueue(o QueueOptions) *Queue {
	if o.Visibility == 0 {
		o.Visibility = 30 * time.Second
	}
	return &Queue{Trouble: newTrouble(o.Faults), visibility: o.Visibility, seen: map[string]time.Time{},
		news: make(chan struct{})}
}

// DeadLetters returns the queue of the messages that were received too often. It has no faults.
func (q *Queue) DeadLetters() *Queue { return q.dead }

// Len returns the number of messages in the queue, visible or not.
func (q *Queue) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.messages)
}

// Send implements tenants.Queue.
func (q *Queue) Send(ctx context.Context, ms ...tenants.Message) error {
	groups, name := make([]string, len(ms)), ""
	for i, m := range ms {
		checkMessage(m)
		groups[i] = m.Group
		name = m.Group
	}
	f, err := q.begin(ctx, Call{Method: "Send", Groups: groups}, name)
	if err != nil {
		return err
	}
	q.mu.Lock()
	for _, m := range ms {
		if f.outcome != Lost || f.rng.IntN(2*len(ms)) < len(ms)-1 { // a single message is always lost
			q.add(m)
		}
	}
	q.mu.Unlock()
	if f.outcome == Lost {
		return errUnavailable
	}
	return f.end(ctx, nil)
}

func (q *Queue) add(m tenants.Message) {
	now := time.Now()
	if m.Dedupe != "" {
		id := m.Group + " " + m.Dedupe // queues deduplicate within a group only
		if first, ok := q.seen[id]; ok && now.Sub(first) < dedupeWindow {
			return
		}
		q.seen[id] = now
	}
	m.Body = slices.Clone(m.Body)
	q.messages = append(q.messages, &message{Message: m, sent: now, visible: now.Add(m.Delay)})
	if visible := now.Add(m.Delay); visible.Before(q.quiet) {
		q.quiet = visible
	}
	if m.Delay == 0 || q.waited.After(now.Add(m.Delay)) {
		q.changed()
	}
}

// Done implements tenants.Queue.
func (q *Queue) Done(ctx context.Context, rs ...tenants.Received) error {
	return q.settle(ctx, "Done", rs, func(f *fate, m *message) {
		if !m.again && f.rng.Float64() < f.faults.Twice {
			m.again = true
			return
		}
		q.messages = slices.DeleteFunc(q.messages, func(o *message) bool { return o == m })
	})
}

// Release implements tenants.Queue.
func (q *Queue) Release(ctx context.Context, delay time.Duration, rs ...tenants.Received) error {
	if delay < 0 {
		breach("a Release must have no negative delay: %v", delay)
	}
	return q.settle(ctx, "Release", rs, func(_ *fate, m *message) {
		m.receipt, m.visible = "", time.Now().Add(delay)
	})
}

// settle calls act, with the lock held, for each of rs that its receiver still holds.
func (q *Queue) settle(ctx context.Context, method string, rs []tenants.Received, act func(*fate, *message)) error {
	groups, name := make([]string, len(rs)), ""
	for i, r := range rs {
		groups[i] = r.Group
		name = r.Group
	}
	f, err := q.begin(ctx, Call{Method: method, Groups: groups}, name)
	if err != nil {
		return err
	}
	q.mu.Lock()
	q.quiet = time.Time{}
	shown := method == "Release" // otherwise, the next message of its group
	for _, r := range rs {
		shown = shown || r.Group != ""
		at := slices.IndexFunc(q.messages, func(m *message) bool { return r.Receipt != "" && m.receipt == r.Receipt })
		if f.outcome == Lost && f.rng.IntN(2*len(rs)) >= len(rs)-1 || at < 0 ||
			!q.messages[at].visible.After(time.Now()) {
			continue
		}
		act(f, q.messages[at])
	}
	if shown {
		q.changed()
	}
	q.mu.Unlock()
	if f.outcome == Lost {
		return errUnavailable
	}
	return f.end(ctx, nil)
}

func (q *Queue) changed() {
	close(q.news)
	q.news = make(chan struct{})
	q.waited = time.Time{}
	q.quiet = time.Time{}
}

func (q *Queue) newReceipt() string {
	q.receipts++
	return "receipt-" + strconv.Itoa(q.receipts)
}
