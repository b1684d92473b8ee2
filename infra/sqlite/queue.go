package sqlite

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// QueueOptions configures a queue.
type QueueOptions struct {
	Visibility  time.Duration // how long a received message stays hidden from other receivers; 0 means 30 s
	MaxReceives int           // receives after which a message moves to the dead letters; 0 means no limit
}

// Queue implements tenants.Queue on a DB. It accepts messages with and without a group. Deduplication covers both.
type Queue struct {
	db   *DB
	lane *lane
	dead *Queue
}

var _ tenants.Queue = (*Queue)(nil)

// Queue returns the queue with that name. If it is called again with the same name, the options of the first call
// apply.
func (db *DB) Queue(name string, o QueueOptions) *Queue {
	if o.Visibility == 0 {
		o.Visibility = 30 * time.Second
	}
	dead := db.w.lane(name+"/dead", nil, o.Visibility, 0)
	return &Queue{db: db, lane: db.w.lane(name, dead, o.Visibility, o.MaxReceives), dead: &Queue{db: db, lane: dead}}
}

// DeadLetters returns the queue of messages that were received too often. Their counts of receives restart there.
func (q *Queue) DeadLetters() tenants.Queue { return q.dead }

// Send implements tenants.Queue. It sends either all of ms or none.
func (q *Queue) Send(ctx context.Context, ms ...tenants.Message) error {
	bytes := 0
	for _, m := range ms {
		bytes += len(m.Body) + 512
	}
	return q.db.w.do(ctx, newJob(true, bytes, func(x *tx) error {
		for _, m := range ms {
			if err := q.lane.send(x, m); err != nil {
				return err
			}
		}
		return nil
	}))
}

// Receive implements tenants.Queue. It serves waiting receivers in the order of their calls.
func (q *Queue) Receive(ctx context.Context, max int, wait time.Duration) ([]tenants.Received, error) {
	var got []tenants.Received
	j := newJob(false, 0, nil)
	j.lane, j.forget = q.lane, func() { got = nil }
	j.run = func(x *tx) (err error) {
		got, err = q.lane.take(x, max)
		j.waits = wait > 0 && len(got) == 0
		return err
	}
	if err := q.db.w.submit(ctx, j); err != nil {
		return nil, err
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	expired := timer.C
	if wait == 0 {
		expired = nil // the writer answers at once
	}
	select {
	case err := <-j.done:
		if err != nil {
			return nil, err
		}
		return got, nil
	case <-ctx.Done():
		if j.withdraw() {
			return nil, contextError(ctx)
		}
	case <-expired:
		if j.withdraw() {
			return nil, nil
		}
	}
	if err := <-j.done; err != nil {
		return nil, err
	}
	if len(got) == 0 {
		return nil, contextError(ctx)
	}
	return got, nil
}

// Done implements tenants.Queue.
func (q *Queue) Done(ctx context.Context, rs ...tenants.Received) error {
	return q.db.w.do(ctx, newJob(false, 0, func(x *tx) error {
		for _, r := range rs {
			if err := q.lane.done(x, r); err != nil {
				return err
			}
		}
		return nil
	}))
}

// Release implements tenants.Queue.
func (q *Queue) Release(ctx context.Context, delay time.Duration, rs ...tenants.Received) error {
	return q.db.w.do(ctx, newJob(false, 0, func(x *tx) error {
		for _, r := range rs {
			if err := q.lane.release(x, r, delay); err != nil {
				return err
			}
		}
		return nil
	}))
}
