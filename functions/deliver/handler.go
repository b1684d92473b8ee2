// Package deliver passes batches of the two queues of deliveries to the Deliverer, and tells Lambda which messages
// are not done.
package deliver

import (
	"context"
	"log/slog"

	"github.com/aws/aws-lambda-go/events"
	"github.com/hookcast/hookcast/functions/internal/batch"
	"github.com/hookcast/hookcast/tenants"
)

// Deliverer handles a batch. *tenants.Deliverer implements it. It returns the indexes of messages that are not done,
// which it has released to the queue.
type Deliverer interface {
	Deliver(ctx context.Context, rs []tenants.Received) (failed []int) // for deliveries that are ready
	Forward(ctx context.Context, rs []tenants.Received) (failed []int) // for deliveries that wait
}

// Options are a Handler's dependencies.
type Options struct {
	Deliverer Deliverer
	Logger    *slog.Logger
	Measure   func(values ...slog.Attr)
}

// Handler returns the handler for lambda.Start. All messages of a batch are from one queue: those with a group are
// ready, those without one wait.
func Handler(o Options) func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
	ready := batch.Queue{Take: o.Deliverer.Deliver, Name: "Delivered", Measure: o.Measure,
		Logger: o.Logger.With("queue", "ready")}
	waiting := batch.Queue{Take: o.Deliverer.Forward, Name: "Hopped", Measure: o.Measure,
		Logger: o.Logger.With("queue", "waiting")}
	return func(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
		if len(e.Records) > 0 && batch.Group(e.Records[0]) == "" {
			return waiting.Handle(ctx, e), nil
		}
		return ready.Handle(ctx, e), nil
	}
}
