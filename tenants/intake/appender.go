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

const (
	batchSize = 256              // messages received at once
	batchTime = 30 * time.Second // for one batch, even after Run was told to end
)

// Appender moves events from the ingest queue to the log and tells the nodes that have subscribers. Set its fields
// before Run.
type Appender struct {
	log      *eventlog.Log
	interest *node.Interest
	inboxes  tenants.Inboxes
	queue    tenants.Queue

	// Tenants says which tenants are deleted: their queued events are dropped. If nil, none is.
	Tenants tenants.LimitLookup

	// Tracer records the steps of traced events. If nil, no steps are recorded.
	Tracer *trace.Tracer

	// Logger gets failures, never the content of events. If nil, they are discarded.
	Logger *slog.Logger
}

// NewAppender returns an Appender from q to l and to the nodes' inboxes.
func NewAppender(l *eventlog.Log, in *node.Interest, inboxes tenants.Inboxes, q tenants.Queue) *Appender {
	return &Appender{log: l, interest: in, inboxes: inboxes, queue: q}
}

// Run receives and appends batches with at most the given number of workers until ctx ends. Then each worker finishes
// its batch, and Run returns.
func (a *Appender) Run(ctx context.Context, workers int) {
	handle := func(rs []tenants.Received) []int {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), batchTime)
		defer cancel()
		return a.Append(ctx, rs)
	}
	pool := &worker.Pool{Queue: a.queue, Workers: workers, Batch: batchSize, Logger: a.Logger, Handle: handle}
	pool.Run(ctx)
}

// Append handles a batch of messages and returns the indexes of those that failed, in ascending order. It has given
// them back to the queue; the caller marks the others as done. A message that fails takes the later ones of its group
// with it, so that the group stays in order. A message fails, too, if its event is in the log and a node could not be
// told; to handle it again does no harm. One that is not an event fails each time, until the queue moves it to the
// dead letters.
func (a *Appender) Append(ctx context.Context, rs []tenants.Received) (failed []int) {
	var failures worker.Failures
	batches := a.batchesOf(ctx, rs, &failures)
	worker.Each(&failures, batches, (*batch).pending, func(b *batch) error {
		err := a.appendBatch(ctx, b)
		if err != nil {
			a.warn(ctx, "append failed", "tenant", b.Tenant, "channel", b.Name, "events", len(b.events), "done", b.done,
				"error", err)
		}
		return err
	})
	failed, _ = failures.Result() // the errors are in the log
	back := make([]tenants.Received, len(failed))
	for i, index := range failed {
		back[i] = rs[index]
	}
	worker.GiveBack(ctx, a.queue, a.Logger, back...)
	return failed
}

// batch is the events of one channel, in order.
type batch struct {
	tenants.ChannelKey
	events  []tenants.Event
	indexes []int // of the events' messages
	done    int   // how many of the events are appended and told
}

func (b *batch) pending() []int { return b.indexes[b.done:] }

// batchesOf groups messages by channel. Messages that cannot be decoded, and the later ones of their groups, are
// added to failures instead.
func (a *Appender) batchesOf(ctx context.Context, rs []tenants.Received, failures *worker.Failures) (list []*batch) {
	blocked := make(map[string]bool)
	byChannel := make(map[tenants.ChannelKey]*batch)
	for i, r := range rs {
		if blocked[r.Group] {
			failures.Add(nil, i)
			continue
		}
		e, err := decodeQueued(r.Body)
		if err != nil {
			a.warn(ctx, "message is not an event", "receives", r.Receives, "error", err)
			failures.Add(err, i)
			blocked[r.Group] = r.Group != ""
			continue
		}
		if e.Trace != nil && !r.Sent.IsZero() {
			e.Trace.Enqueued = r.Sent.UTC()
		}
		ch := tenants.ChannelKey{Tenant: e.Tenant, Name: e.Channel}
		b := byChannel[ch]
		if b == nil {
			b = &batch{ChannelKey: ch}
			byChannel[ch], list = b, append(list, b)
		}
		b.events, b.indexes = append(b.events, e), append(b.indexes, i)
	}
	return list
}

// decodeQueued decodes an event from the queue and refuses one that cannot be appended.
func decodeQueued(body []byte) (tenants.Event, error) {
	e, err := tenants.DecodeEvent(body)
	if err == nil && !(tenants.ValidID(tenants.PrefixEvent, e.ID) &&
		tenants.ValidID(tenants.PrefixTenant, string(e.Tenant)) && tenants.ValidChannel(e.Channel)) {
		err = tenants.Errorf(tenants.Internal, "event_undecodable", "the event needs a valid id, tenant and channel")
	}
	return e, err
}

// appendBatch appends b's events, tells the nodes, and sets b.done.
func (a *Appender) appendBatch(ctx context.Context, b *batch) error {
	if a.Tenants != nil {
		switch _, err := a.Tenants.Limits(ctx, b.Tenant); {
		case tenants.IsNotFound(err):
			return nil
		case err != nil && tenants.KindOf(err) != tenants.Forbidden: // a suspended tenant keeps its events
			return err
		}
	}
	began := time.Now()
	events, err := a.log.Append(ctx, b.Tenant, b.Name, b.events)
	if len(events) == 0 {
		return err
	}
	a.traceAppended(events, began)
	// The rows are committed now: a node that registers its interest after tell has read it finds them in the log.
	if err := a.tell(ctx, b.ChannelKey, events); err != nil {
		return err
	}
	b.done = len(events)
	return err
}

// tell sends events of a channel to every node that has subscribers of it. A node whose inbox is gone has no
// subscribers any more, or is about to read the log under another name.
func (a *Appender) tell(ctx context.Context, ch tenants.ChannelKey, events []tenants.Event) error {
	nodes, err := a.interest.Nodes(ctx, ch.Tenant, ch.Name)
	if err != nil {
		return err
	}
	began, errs := time.Now(), make([]error, len(nodes))
	defer func() { a.traceFanOut(events, nodes, errs, began) }()
	if len(nodes) == 0 {
		return nil
	}
	messages := inboxMessages(ch, events)
	return worker.Parallel(len(nodes), worker.NodesAtOnce, func(i int) error {
		err := a.inboxes.Send(ctx, nodes[i], messages...)
		errs[i] = err
		if !tenants.IsNotFound(err) {
			return err
		}
		if err := a.interest.DropIfGone(ctx, nodes[i], ch.Tenant, ch.Name); err != nil { // the next event tries again
			a.warn(ctx, "interest of a dead node was not removed", "node", nodes[i], "tenant", ch.Tenant,
				"channel", ch.Name, "error", err)
		}
		return nil
	})
}

func (a *Appender) warn(ctx context.Context, msg string, args ...any) {
	if a.Logger != nil {
		a.Logger.WarnContext(ctx, msg, args...)
	}
}
