package batch

import (
	"context"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/hookcast/hookcast/tenants"
)

// Queue deals with batches of a queue's messages, and counts and logs what came of them.
type Queue struct {
	// Take deals with a batch and returns the indexes of what is not done, in ascending order, which it has given back to the queue. Its ctx ends
	// before the invocation does.
	Take func(ctx context.Context, rs []tenants.Received) (failed []int)

	Name    string // what is measured: Name is how many are done, NameFailed how many are not, NameLatency how long it took
	Measure func(values ...slog.Attr)
	Logger  *slog.Logger
	Says    func(rs []tenants.Received) slog.Attr // what else a batch's line in the log has to say of it; nil: nothing
}

// Handle deals with one batch.
func (q Queue) Handle(ctx context.Context, e events.SQSEvent) events.SQSEventResponse {
	begin := time.Now()
	rs := make([]tenants.Received, len(e.Records))
	for i, m := range e.Records {
		rs[i] = received(m)
	}
	within, cancel := Within(ctx)
	defer cancel()
	var lost []int
	if len(rs) > 0 {
		lost = q.Take(within, rs)
	}
	out := messages(e.Records, lost)
	failed := len(out.BatchItemFailures)
	took := time.Since(begin)
	q.Measure(slog.Int(q.Name, len(rs)-failed), slog.Int(q.Name+"Failed", failed), slog.Duration(q.Name+"Latency", took))
	line := []slog.Attr{slog.String("request_id", RequestID(ctx))}
	if q.Says != nil {
		line = append(line, q.Says(rs))
	}
	line = append(line, slog.Int("messages", len(rs)), slog.Int("failed", failed), slog.Int64("ms", took.Milliseconds()))
	q.Logger.LogAttrs(ctx, slog.LevelInfo, "batch", line...)
	return out
}
