package eventlog

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/worker"
)

const (
	keepAtLeast  = 15 * 24 * time.Hour // longer than a message lives in a queue and its dead letters (SQS: 14 days)
	claimsAtOnce = 256                 // an engine that groups its writers makes one commit of them; another one bounds its own connections
	runAtMost    = 256                 // events of one WriteEach
	runBytes     = 4 << 20             // likewise
)

// Log keeps each channel's events as one dense sequence 1, 2, 3, … over a Table. Any number of Logs, in any number of
// processes, may append to one channel at once: what keeps the sequence dense, free of duplicates and its numbers unused
// twice is the conditions of the writes, never a lock or the hope to be alone.
//
// The log row at a number is the truth. An event's claim (row evt/{id}) says which number the event is to have; it is the
// index by event id, and what a repeated delivery is known by. The head row is a lower bound of the last number.
//
// Two ways lead into the log. The fast one: claim the numbers behind the tail for the whole batch, then put the rows one
// after the other, each where there is none yet, so that a batch that meets another writer's row stops there. The slow one,
// for whatever the fast one stumbled over: read the tail, then the claim, then the row that the claim names; if that row is
// not the event's, move the claim and put the row behind the tail in one write. Why that holds is said at place (log_place.go).
type Log struct {
	Table tenants.Table
	tails *tailCache
}

// New returns a Log over t.
func New(t tenants.Table) *Log {
	return &Log{Table: t, tails: newTailCache(tailsAtMost)}
}

// Append puts events at the end of the channel, in their order, and returns them as they are stored: with Tenant, Channel
// and Seq set. An event that is in the log already keeps its number. An event whose id is there with another body (or in
// another channel) is stored under an id derived from both, with DuplicateOf naming the first.
//
// On error the events returned, a prefix of the answer, are in the log for good; of the others some may be. Appending the same
// events again, here or in another process, completes the work and repeats nothing.
func (l *Log) Append(ctx context.Context, tenant tenants.TenantID, channel string, events []tenants.Event) ([]tenants.Event, error) {
	ch := tenants.ChannelKey{Tenant: tenant, Name: channel}
	placed := make([]tenants.Event, 0, len(events))
	for len(events) > 0 {
		run := make([]tenants.Event, runOf(events))
		for i := range run {
			run[i] = events[i]
			run[i].Tenant, run[i].Channel, run[i].Seq = tenant, channel, 0
			if run[i].ID == "" {
				return placed, tenants.Errorf(tenants.Internal, "event_without_id", "an event to append has no id")
			}
		}
		stored, err := l.appendRun(ctx, ch, run)
		placed = append(placed, stored...)
		if err != nil {
			return placed, err
		}
		events = events[len(run):]
	}
	return placed, nil
}

// runOf returns how many of the first events make a run: ids of their own, and within the bounds of one WriteEach. A batch is
// cut where an id comes again: the second one then finds the first one's claim, as it would in a batch of its own.
func runOf(events []tenants.Event) int {
	seen := make(map[string]struct{}, min(len(events), runAtMost))
	size := 0
	for i, e := range events {
		size += len(e.Data)
		if _, again := seen[e.ID]; again || i == runAtMost || i > 0 && size > runBytes {
			return i
		}
		seen[e.ID] = struct{}{}
	}
	return len(events)
}

// appendRun appends a run of distinct ids the fast way, and goes on the slow way where that is refused.
func (l *Log) appendRun(ctx context.Context, ch tenants.ChannelKey, run []tenants.Event) ([]tenants.Event, error) {
	t, err := l.tail(ctx, ch)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	for i := range run {
		run[i].Seq = t.seq + 1 + int64(i)
	}

	// One event alone: its claim goes ahead of its row in the same WriteEach, one commit where the engine has such.
	var ops []tenants.Op
	claims := 0
	if len(run) == 1 {
		ops, claims = append(ops, claimOp(run[0], now)), 1
	} else if fresh, err := l.claimAll(ctx, run, now); err != nil {
		return nil, err
	} else if !fresh {
		return l.placeEach(ctx, ch, run)
	}
	for _, e := range run {
		ops = append(ops, tenants.Put(logRow(ch, e.Seq), tenants.EncodeEvent(e), expiry(e, now), tenants.Absent()))
	}
	last := run[len(run)-1].Seq
	ops = append(ops, t.headOp(ch, last))
	if !t.listed {
		ops = append(ops, newChannelOp(ch, now))
	}

	done, err := l.Table.WriteEach(ctx, ops...)
	rows := min(max(done-claims, 0), len(run))
	t.seq += int64(rows)
	if err == nil {
		t.advanceHead(last)
		t.listed = true
		l.tails.put(ch, t)
		return run, nil
	}
	if rows > 0 {
		l.tails.put(ch, t)
	}
	switch {
	case !tenants.IsRefused(err):
		return l.salvage(ctx, ch, run[:rows], err)
	case rows == len(run):
		if err := l.ensureHead(ctx, ch, last); err != nil {
			return nil, err
		}
		return run, nil
	default:
		rest, err := l.placeEach(ctx, ch, run[rows:])
		if err != nil && len(rest) == 0 {
			return l.salvage(ctx, ch, run[:rows], err)
		}
		return append(run[:rows:rows], rest...), err
	}
}

// salvage answers for a run that ended with err behind the rows of placed. They are reported as appended only with the head row
// past them: a caller never comes back for what it believes done, and a head left behind for the rows' lifetime would give
// their numbers away again. Without this a long run on a table that fails now and then would start over for ever.
func (l *Log) salvage(ctx context.Context, ch tenants.ChannelKey, placed []tenants.Event, err error) ([]tenants.Event, error) {
	if len(placed) == 0 {
		return nil, err
	}
	var last int64
	for _, e := range placed {
		last = max(last, e.Seq)
	}
	if l.ensureHead(ctx, ch, last) != nil {
		return nil, err
	}
	return placed, err
}

// claimAll claims for each event the number that it carries. It reports whether every claim is fresh, that is, no event had one.
func (l *Log) claimAll(ctx context.Context, run []tenants.Event, now time.Time) (fresh bool, err error) {
	taken := make([]bool, len(run))
	err = worker.Parallel(len(run), claimsAtOnce, func(i int) error {
		err := l.Table.Write(ctx, claimOp(run[i], now))
		if tenants.IsRefused(err) {
			taken[i] = true
			return nil
		}
		return err
	})
	for _, t := range taken {
		if t {
			return false, err
		}
	}
	return true, err
}

// expiry returns when the row of e, appended now, may go.
func expiry(e tenants.Event, now time.Time) time.Time {
	if e.Keep < 0 {
		return time.Time{}
	}
	return now.Add(max(e.Keep, keepAtLeast))
}
