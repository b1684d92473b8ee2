// Package sweep takes away what dead nodes and deleted tenants have left behind. A timer invokes it.
package sweep

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"

	"github.com/hookcast/hookcast/functions/internal/batch"
	"github.com/hookcast/hookcast/tenants"
)

// Sweep removes what nobody uses any more and says how much that was: *tenants.Sweep.
type Sweep interface {
	Run(ctx context.Context) (removed int, err error)
}

// Erasure takes away what deleted tenants have left and says how many rows that were: *tenants.Erasure.
type Erasure interface {
	Run(ctx context.Context) (erased int, err error)
}

// Options are a Handler's dependencies.
type Options struct {
	Sweep   Sweep
	Erasure Erasure
	Logger  *slog.Logger
	Measure func(values ...slog.Attr)
}

// Handler is for lambda.Start. What the timer says does not matter.
func Handler(o Options) func(context.Context, json.RawMessage) error {
	return func(ctx context.Context, _ json.RawMessage) error {
		within, cancel := batch.Within(ctx)
		defer cancel()
		removed, err := o.Sweep.Run(within)
		erased, failed := o.Erasure.Run(within)
		if within.Err() != nil && ctx.Err() == nil && tenants.KindOf(failed) == tenants.Unavailable {
			failed = nil // there is more than one invocation has time for: the next goes on
		}
		err = errors.Join(err, failed)
		o.Measure(slog.Int("InboxesRemoved", removed))
		log := o.Logger.With("request_id", batch.RequestID(ctx), "removed", removed, "erased", erased)
		if err != nil {
			log.ErrorContext(ctx, "sweep", "error", err)
			return err
		}
		log.InfoContext(ctx, "sweep")
		return nil
	}
}
