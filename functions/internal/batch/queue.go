package batch

import (
	"context"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/hookcast/hookcast/tenants"
)

// Queue handles batches of a queue's messages, and measures and logs the results.
type Queue struct {
	// Take handles a batch and returns the indexes of messages that are not done, in ascending order. It has released
	// them to the queue. Its ctx ends before the invocation does.
	Take func(ctx context.Context, rs []tenants.Received) (failed []int)

	// prefix of metrics: Name counts messages done, NameFailed those not done, NameLatency is the duration
	Name    string
	Measure func(values ...slog.Attr)
	Logger  *slog.Logger
	Says    func(rs []tenants.Received) slog.Attr // returns another attribute for the batch's log line; may be nil
}

// Handle handles one batch.
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
	q.Measure(slog.Int(q.Name, len(rs)-failed), slog.Int(q.Name+"Failed", failed),
		slog.Duration(q.Name+"Latency", took))
	line := []slog.Attr{slog.String("request_id", RequestID(ctx))}
	if q.Says != nil {
		line = append(line, q.Says(rs))
	}
	line = append(line, slog.Int("messages", len(rs)), slog.Int("failed", failed),
		slog.Int64("ms", took.Milliseconds()))
	q.Logger.LogAttrs(ctx, slog.LevelInfo, "batch", line...)
	return out
}
