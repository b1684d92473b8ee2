// Package sweep takes away what dead nodes have left behind. A timer invokes it.
package sweep

import (
	"context"
	"encoding/json"
	"log/slog"

	"github.com/hookcast/hookcast/functions/internal/batch"
)

// Sweep removes what nobody uses any more and says how much that was: *tenants.Sweep.
type Sweep interface {
	Run(ctx context.Context) (removed int, err error)
}

// Options are a Handler's dependencies.
type Options struct {
	Sweep   Sweep
	Logger  *slog.Logger
	Measure func(values ...slog.Attr)
}

// Handler is for lambda.Start. What the timer says does not matter.
func Handler(o Options) func(context.Context, json.RawMessage) error {
	return func(ctx context.Context, _ json.RawMessage) error {
		within, cancel := batch.Within(ctx)
		defer cancel()
		removed, err := o.Sweep.Run(within)
		o.Measure(slog.Int("InboxesRemoved", removed))
		log := o.Logger.With("request_id", batch.RequestID(ctx), "removed", removed)
		if err != nil {
			log.ErrorContext(ctx, "sweep", "error", err)
			return err
		}
		log.InfoContext(ctx, "sweep")
		return nil
	}
}
