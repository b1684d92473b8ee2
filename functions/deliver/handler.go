// Package deliver takes batches of the two queues of deliveries to the Deliverer, and tells Lambda which messages are not done.
package deliver

import (
	"context"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/hookcast/hookcast/functions/internal/batch"
	"github.com/hookcast/hookcast/tenants"
)

// Deliverer is what a batch is handed to: *tenants.Deliverer. It returns the indexes of what is not done, which it has given back to the queue.
type Deliverer interface {
	Deliver(ctx context.Context, rs []tenants.Received) (failed []int) // of what is ready
	Hop(ctx context.Context, rs []tenants.Received) (failed []int)     // of what waits
}

// Options are a Handler's dependencies.
type Options struct {
	Deliverer Deliverer
	Logger    *slog.Logger
	Measure   func(values ...slog.Attr)
}

// Handler is for lambda.Start. A batch is of one queue: what has a group is ready, what has none waits.
func Handler(o Options) func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
	return func(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
		begin := time.Now()
		rs := make([]tenants.Received, len(e.Records))
		for i, m := range e.Records {
			rs[i] = batch.Received(m)
		}
		within, cancel := batch.Within(ctx)
		defer cancel()
		queue, name, handle := "ready", "Delivered", o.Deliverer.Deliver
		if len(rs) > 0 && rs[0].Group == "" {
			queue, name, handle = "waiting", "Hopped", o.Deliverer.Hop
		}
		var out events.SQSEventResponse
		if len(rs) > 0 {
			out = batch.Messages(e.Records, handle(within, rs))
		} else {
			out = batch.Messages(nil, nil)
		}
		failed := len(out.BatchItemFailures)
		took := time.Since(begin)
		o.Measure(slog.Int(name, len(rs)-failed), slog.Int(name+"Failed", failed), slog.Duration(name+"Latency", took))
		o.Logger.InfoContext(ctx, "batch", "request_id", batch.RequestID(ctx), "queue", queue, "messages", len(rs), "failed", failed, "ms", took.Milliseconds())
		return out, nil
	}
}
