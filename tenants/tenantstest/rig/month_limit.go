package rig

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/intake"
	"github.com/hookcast/hookcast/tenants/projection"
)

// Followed counts what the rig's channels take, as the change feed has it, until the test is over.
func (r *IntakeRig) Followed(t *testing.T) *projection.MonthlyUsage {
	u := projection.NewMonthlyUsage(r.Table)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	feed := r.Table.Feed()
	go func() {
		defer close(done)
		u.Run(ctx, feed, slog.New(slog.DiscardHandler))
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
	return u
}

func (r *IntakeRig) Publish(id string) error {
	_, err := r.Publisher.Publish(context.Background(), r.Tenant, intake.Publication{Channel: "orders", Type: "t", Data: []byte(id), ID: id})
	return err
}

// UntilRefused publishes until the month's limit refuses, and returns how many were taken.
func (r *IntakeRig) UntilRefused(t *testing.T, most int) (taken int) {
	t.Helper()
	for taken < most {
		err := r.Publish(tenants.NewID("x_"))
		if err != nil {
			WantError(t, err, tenants.TooMany, "event_month_limit")
			if after := err.(*tenants.Error).RetryAfter; after < time.Minute || after > time.Hour {
				t.Errorf("try again after %v", after)
			}
			return taken
		}
		taken++
	}
	t.Fatalf("%d events were taken", taken)
	return 0
}
