// Package appending passes batches of the ingest queue to the Appender, and tells Lambda which messages failed.
package appending

import (
	"context"
	"iter"
	"log/slog"

	"github.com/aws/aws-lambda-go/events"
	"github.com/hookcast/hookcast/functions/internal/batch"
	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/trace"
)

// Appender handles a batch. *tenants.Appender implements it. It returns the indexes of messages that failed, which it
// has released to the queue.
type Appender interface {
	Append(ctx context.Context, rs []tenants.Received) (failed []int)
}

// Options are a Handler's dependencies.
type Options struct {
	Appender Appender
	// Tracer is the tracer of the Appender. Its steps are written before the handler returns, because Lambda may then
	// freeze the process; by that time the events have been sent to the nodes. It may be nil.
	Tracer  *trace.Tracer
	Logger  *slog.Logger
	Measure func(values ...slog.Attr)
}

// Handler returns the handler for lambda.Start. A message that fails is received again, with the later ones of its
// group: soon if it was released, or else after its visibility timeout.
func Handler(o Options) func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
	queue := batch.Queue{Take: o.Appender.Append, Name: "Appended", Measure: o.Measure, Logger: o.Logger, Says: owned}
	return func(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
		out := queue.Handle(ctx, e)
		o.Tracer.Flush(ctx)
		o.Tracer.Measure(o.Measure)
		return out, nil
	}
}

// owned returns the tenants of a batch's events for the log, each once.
func owned(rs []tenants.Received) slog.Attr { return slog.Any("tenants", batch.TenantsOf(owners(rs))) }

// owners yields the tenants of the events. Messages that are not events are skipped.
func owners(rs []tenants.Received) iter.Seq[tenants.TenantID] {
	return func(yield func(tenants.TenantID) bool) {
		for _, r := range rs {
			if e, err := tenants.DecodeEvent(r.Body); err == nil &&
				tenants.ValidID(tenants.PrefixTenant, string(e.Tenant)) && !yield(e.Tenant) {
				return
			}
		}
	}
}
