// Package sweep removes the remains of dead nodes and deleted tenants. A timer invokes it.
package sweep

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"

	"github.com/hookcast/hookcast/functions/internal/batch"
	"github.com/hookcast/hookcast/tenants"
)

// Sweep removes the inboxes of dead nodes and returns their number. *node.Sweep implements it.
type Sweep interface {
	Run(ctx context.Context) (removed int, err error)
}

// Erasure removes the rows of deleted tenants and returns their number. *erasure.Erasure implements it.
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

// Handler returns the handler for lambda.Start. It ignores the timer's event.
func Handler(o Options) func(context.Context, json.RawMessage) error {
	return func(ctx context.Context, _ json.RawMessage) error {
		within, cancel := batch.Within(ctx)
		defer cancel()
		removed, err := o.Sweep.Run(within)
		erased, failed := o.Erasure.Run(within)
		if within.Err() != nil && ctx.Err() == nil && tenants.KindOf(failed) == tenants.Unavailable {
			failed = nil // there was not enough time; the next invocation continues
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
