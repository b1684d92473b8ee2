// Package appending takes batches of the ingest queue to the Appender, and tells Lambda which messages failed.
package appending

import (
	"context"
	"iter"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/hookcast/hookcast/functions/internal/batch"
	"github.com/hookcast/hookcast/tenants"
)

// Appender is what a batch is handed to: *tenants.Appender. It returns the indexes of what failed, and gives that back to the queue.
type Appender interface {
	Append(ctx context.Context, rs []tenants.Received) (failed []int)
	GiveBack(ctx context.Context, rs ...tenants.Received)
}

// Options are a Handler's dependencies.
type Options struct {
	Appender Appender
	// Trace writes down what was traced, before the process may be frozen. Its events are with the nodes by then. Nil: nothing is traced.
	Trace   func(context.Context)
	Logger  *slog.Logger
	Measure func(values ...slog.Attr)
}

// Handler is for lambda.Start. A message that fails comes again, and with it the later ones of its group: soon, since it is given back; after
// its visibility time where that too failed.
func Handler(o Options) func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
	return func(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
		begin := time.Now()
		rs := make([]tenants.Received, len(e.Records))
		for i, m := range e.Records {
			rs[i] = batch.Received(m)
		}
		within, cancel := batch.Within(ctx)
		defer cancel()
		out := batch.Messages(e.Records, o.Appender.Append(within, rs))
		failed := len(out.BatchItemFailures)
		if failed > 0 {
			o.Appender.GiveBack(ctx, named(out, e.Records, rs)...)
		}
		took := time.Since(begin)
		if o.Trace != nil {
			o.Trace(ctx)
		}
		o.Measure(slog.Int("Appended", len(rs)-failed), slog.Int("AppendFailed", failed), slog.Duration("AppendLatency", took))
		o.Logger.InfoContext(ctx, "batch", "request_id", batch.RequestID(ctx), "tenants", batch.TenantsOf(owners(rs)),
			"messages", len(rs), "failed", failed, "ms", took.Milliseconds())
		return out, nil
	}
}

// named are those of rs that the answer names.
func named(out events.SQSEventResponse, ms []events.SQSMessage, rs []tenants.Received) (found []tenants.Received) {
	ids := make(map[string]bool, len(out.BatchItemFailures))
	for _, f := range out.BatchItemFailures {
		ids[f.ItemIdentifier] = true
	}
	for i, m := range ms {
		if ids[m.MessageId] {
			found = append(found, rs[i])
		}
	}
	return found
}

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
