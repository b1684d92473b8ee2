// Package deliver takes batches of the two queues of deliveries to the Deliverer, and tells Lambda which messages are not done.
package deliver

import (
	"context"
	"log/slog"

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
	ready := batch.Queue{Take: o.Deliverer.Deliver, Name: "Delivered", Measure: o.Measure, Logger: o.Logger.With("queue", "ready")}
	waiting := batch.Queue{Take: o.Deliverer.Hop, Name: "Hopped", Measure: o.Measure, Logger: o.Logger.With("queue", "waiting")}
	return func(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
		if len(e.Records) > 0 && batch.Group(e.Records[0]) == "" {
			return waiting.Handle(ctx, e), nil
		}
		return ready.Handle(ctx, e), nil
	}
}
