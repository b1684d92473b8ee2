// Package appending takes batches of the ingest queue to the Appender, and tells Lambda which messages failed.
package appending

import (
	"context"
	"iter"
	"log/slog"

	"github.com/aws/aws-lambda-go/events"
	"github.com/hookcast/hookcast/functions/internal/batch"
	"github.com/hookcast/hookcast/tenants"
)

// Appender is what a batch is handed to: *tenants.Appender. It returns the indexes of what failed, which it has given back to the queue.
type Appender interface {
	Append(ctx context.Context, rs []tenants.Received) (failed []int)
}

// Options are a Handler's dependencies.
type Options struct {
	Appender Appender
	// Tracer is the Appender's: what it has is written before the process may be frozen. Its events are with the nodes by then. Nil: nothing is traced.
	Tracer  *tenants.Tracer
	Logger  *slog.Logger
	Measure func(values ...slog.Attr)
}

// Handler is for lambda.Start. A message that fails comes again, and with it the later ones of its group: soon, since it is given back; after
// its visibility time where that too failed.
func Handler(o Options) func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
	queue := batch.Queue{Take: o.Appender.Append, Name: "Appended", Measure: o.Measure, Logger: o.Logger, Says: owned}
	return func(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
		out := queue.Handle(ctx, e)
		o.Tracer.Flush(ctx)
		o.Tracer.Measure(o.Measure)
		return out, nil
	}
}

// owned says whose events a batch has, each tenant once.
func owned(rs []tenants.Received) slog.Attr { return slog.Any("tenants", batch.TenantsOf(owners(rs))) }

// owners yields whose the events are. What is no event is nobody's.
func owners(rs []tenants.Received) iter.Seq[tenants.TenantID] {
	return func(yield func(tenants.TenantID) bool) {
		for _, r := range rs {
			if e, err := tenants.DecodeEvent(r.Body); err == nil && tenants.ValidID(tenants.PrefixTenant, string(e.Tenant)) && !yield(e.Tenant) {
				return
			}
		}
	}
}
