package intake

import (
	"context"
	"log/slog"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/eventlog"
	"github.com/hookcast/hookcast/tenants/node"
	"github.com/hookcast/hookcast/tenants/trace"
	"github.com/hookcast/hookcast/tenants/worker"
)

// Appender takes queued events into the log, and tells the nodes that hold subscribers.
type Appender struct {
	log      *eventlog.Log
	interest *node.Interest
	inboxes  tenants.Inboxes
	queue    tenants.Queue

	// Tenants tells who is gone: what still waits of a deleted tenant is dropped rather than appended. Nil: nobody is. Set it
	// before Run.
	Tenants tenants.LimitLookup

	// Tracer hears of what becomes of events that are traced. Nil: nobody does. Set it before Run.
	Tracer *trace.Tracer

	// Logger hears of what failed, never of what was in it. Nil: nobody does. Set it before Run.
	Logger *slog.Logger
}

// NewAppender returns an Appender from q to l and to.
func NewAppender(l *eventlog.Log, in *node.Interest, to tenants.Inboxes, q tenants.Queue) *Appender {
	return &Appender{log: l, interest: in, inboxes: to, queue: q}
}

// Append deals with a batch of messages and returns the indexes of those that failed, in ascending order: they have been given
// back to the queue, the others are done. A message that fails takes the later ones of its group with it, so that a group's
// order is kept. One that is dealt with twice does no harm, and one whose event is in the log while a node could not
// be told has failed. What is no event fails each time, until the queue puts it with the dead letters.
func (a *Appender) Append(ctx context.Context, rs []tenants.Received) (failed []int) {
	batches, bad := batchesOf(rs)
	ok := make([]int, len(batches)) // of each batch, how many of its messages are dealt with
	worker.Parallel(len(batches), worker.GroupsAtOnce, func(i int) error {
		var err error
		if ok[i], err = a.appendBatch(ctx, batches[i]); err != nil {
			a.warn(ctx, "append failed", "tenant", batches[i].Tenant, "channel", batches[i].Name, "events", len(batches[i].events), "done", ok[i], "error", err)
		}
		return nil
	})
	lost := make([]bool, len(rs))
	for i, err := range bad {
		lost[i] = true
		if err != nil {
			a.warn(ctx, "a message is no event", "receives", rs[i].Receives, "error", err)
		}
	}
	for i, b := range batches {
		for _, index := range b.indexes[ok[i]:] {
			lost[index] = true
		}
	}
	var back []tenants.Received
	for i := range lost {
		if lost[i] {
			failed, back = append(failed, i), append(back, rs[i])
		}
	}
	worker.GiveBack(ctx, a.queue, a.Logger, back...)
	return failed
}

// batch is the events of one channel, in order, and where in the messages they came from.
type batch struct {
	tenants.ChannelKey
	events  []tenants.Event
	indexes []int
}

// batchesOf sorts messages by channel. In bad are the messages that cannot be used, with the error, and those behind them
// in their group, without one.
func batchesOf(rs []tenants.Received) (batches []batch, bad map[int]error) {
	bad = make(map[int]error)
	blocked := make(map[string]bool)
	place := make(map[tenants.ChannelKey]int)
	for i, r := range rs {
		if blocked[r.Group] {
			bad[i] = nil
			continue
		}
		e, err := decodeQueued(r.Body)
		if err != nil {
			bad[i] = err
			if r.Group != "" {
				blocked[r.Group] = true
			}
			continue
		}
		if e.Trace != nil && !r.Sent.IsZero() {
			e.Trace.Enqueued = r.Sent.UTC()
		}
		ch := tenants.ChannelKey{Tenant: e.Tenant, Name: e.Channel}
		at, known := place[ch]
		if !known {
			at = len(batches)
			place[ch] = at
			batches = append(batches, batch{ChannelKey: ch})
		}
		batches[at].events = append(batches[at].events, e)
		batches[at].indexes = append(batches[at].indexes, i)
	}
	return batches, bad
}

// decodeQueued decodes an event that was enqueued, and refuses one that the log has no place for.
func decodeQueued(body []byte) (tenants.Event, error) {
	e, err := tenants.DecodeEvent(body)
	if err == nil && (!tenants.ValidID(tenants.PrefixEvent, e.ID) || !tenants.ValidID(tenants.PrefixTenant, string(e.Tenant)) || !tenants.ValidChannel(e.Channel)) {
		err = tenants.Errorf(tenants.Internal, "event_undecodable", "an event without a valid id, tenant and channel")
	}
	return e, err
}

// appendBatch appends a batch and tells the nodes. It returns how many of the events are dealt with.
func (a *Appender) appendBatch(ctx context.Context, b batch) (int, error) {
	if a.Tenants != nil {
		switch _, err := a.Tenants.Limits(ctx, b.Tenant); {
		case tenants.IsNotFound(err):
			return len(b.events), nil
		case err != nil && tenants.KindOf(err) != tenants.Forbidden: // a suspended tenant's events are kept: nothing is lost by suspending
			return 0, err
		}
	}
	began := time.Now()
	events, err := a.log.Append(ctx, b.Tenant, b.Name, b.events)
	if len(events) == 0 {
		return 0, err
	}
	a.traceAppended(events, began)
	// From here on the rows are committed: a node whose interest is not read below reads these rows itself.
	if err := a.tell(ctx, b.ChannelKey, events); err != nil {
		return 0, err
	}
	return len(events), err
}

// tell sends events of a channel to every node that holds subscribers of it. A node whose inbox is gone has no subscribers any more, or
// is about to read the log under another name.
func (a *Appender) tell(ctx context.Context, ch tenants.ChannelKey, events []tenants.Event) error {
	nodes, err := a.interest.Nodes(ctx, ch.Tenant, ch.Name)
	if err != nil {
		return err
	}
	trace := a.traceFanOut(events, nodes)
	defer trace.end()
	if len(nodes) == 0 {
		return nil
	}
	notices := noticesOf(ch, events)
	return worker.Parallel(len(nodes), worker.NodesAtOnce, func(i int) error {
		err := a.inboxes.Send(ctx, nodes[i], notices...)
		trace.told(i, err)
		if !tenants.IsNotFound(err) {
			return err
		}
		if err := a.interest.DropIfGone(ctx, nodes[i], ch.Tenant, ch.Name); err != nil { // the next event tries again
			a.warn(ctx, "a dead node's interest stays", "node", nodes[i], "tenant", ch.Tenant, "channel", ch.Name, "error", err)
		}
		return nil
	})
}

func (a *Appender) warn(ctx context.Context, msg string, args ...any) {
	if a.Logger != nil {
		a.Logger.WarnContext(ctx, msg, args...)
	}
}
