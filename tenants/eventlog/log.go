package eventlog

import (
	"container/list"
	"context"
	"slices"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/worker"
)

const (
	keepAtLeast  = 15 * 24 * time.Hour // longer than a message lives in a queue and its dead letters (SQS: 14 days)
	claimsAtOnce = 256                 // for engines that commit writers together; others bound their connections
	runAtMost    = 256                 // the most events of one WriteEach
	runBytes     = 4 << 20             // the most bytes of payloads of one WriteEach, unless one event has more
)

// Log is the log of all channels in a Table; see the package's comment. It is safe for concurrent use, next to any
// number of other Logs over the same Table, and remembers the tails of the channels appended to last.
type Log struct {
	Table tenants.Table // the table of the log, for packages that keep rows about it in the same one
	tails *tailCache
}

// New returns a Log over t.
func New(t tenants.Table) *Log {
	return &Log{Table: t, tails: &tailCache{byKey: make(map[tenants.ChannelKey]*list.Element)}}
}

// Append appends events to the channel, in order, and returns them as stored, with Tenant, Channel and Seq set. An
// event that is in the log already keeps its number. An event whose id is there with another body, or in another
// channel, is stored under a derived id, and its DuplicateOf is the first id.
//
// After an error the returned events, a prefix of the batch, are in the log for good; of the others some may be.
// Appending the same events again, here or in another process, completes the work and repeats nothing.
func (l *Log) Append(ctx context.Context, tenant tenants.TenantID, channel string,
	events []tenants.Event) ([]tenants.Event, error) {
	ch := tenants.ChannelKey{Tenant: tenant, Name: channel}
	placed := make([]tenants.Event, 0, len(events))
	for len(events) > 0 {
		run := make([]tenants.Event, runOf(events))
		for i := range run {
			run[i] = events[i]
			run[i].Tenant, run[i].Channel, run[i].Seq = tenant, channel, 0
			if run[i].ID == "" {
				return placed, tenants.Errorf(tenants.Internal, "event_without_id", "an appended event must have an id")
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

// runOf returns how many of the first events make a run: distinct ids, within the bounds of one WriteEach. A repeated
// id begins a new run, so that it finds the claim of the first one, as it would in a batch of its own.
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

// appendRun appends a run of distinct ids the fast way, and the rest of it the slow way once a write is refused.
func (l *Log) appendRun(ctx context.Context, ch tenants.ChannelKey, run []tenants.Event) ([]tenants.Event, error) {
	t, err := l.tail(ctx, ch)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	for i := range run {
		run[i].Seq = t.seq + 1 + int64(i)
	}

	// A single event: its claim goes before its row in the same WriteEach, which some engines make one commit of.
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

// salvage returns the result of a run that failed with err after the events placed. It reports them as appended only
// if the head is at or after them: the caller does not append them again, and if the head stayed below them until
// they expire, their numbers would be used twice. Without salvage a long run on a table with occasional errors would
// start over for ever.
func (l *Log) salvage(ctx context.Context, ch tenants.ChannelKey, placed []tenants.Event,
	err error) ([]tenants.Event, error) {
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

// claimAll claims its Seq for each event. It reports whether every claim is fresh: no event had one.
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
	return !slices.Contains(taken, true), err
}

// expiry returns when the row of e, appended now, expires: zero for never.
func expiry(e tenants.Event, now time.Time) time.Time {
	if e.Keep < 0 {
		return time.Time{}
	}
	return now.Add(max(e.Keep, keepAtLeast))
}
