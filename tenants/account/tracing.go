package account

import (
	"context"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// SetTracing turns tracing on for so long (at most MaxTracing), or off where sample is 0. Every process goes by it within 5 s, and nodes are told.
// Refused values: Unprocessable.
func (a *Accounts) SetTracing(ctx context.Context, id tenants.TenantID, sample float64, lasts time.Duration) (tenants.Tracing, error) {
	var set tenants.Tracing
	if sample != 0 {
		switch {
		case !(sample > 0 && sample <= 1):
			return set, tenants.Refused("/sample", "invalid_sample", "sample must be above 0, and at most 1")
		case lasts <= 0 || lasts > tenants.MaxTracing:
			return set, tenants.Refused("/minutes", "invalid_minutes", "minutes must be 1 to 60")
		}
		now := time.Now().UTC()
		set = tenants.Tracing{Since: now, Until: now.Add(lasts), Sample: sample}
	}
	_, err := a.edit(ctx, id, func(t *tenants.Tenant) error {
		if was := t.Tracing; was.On(set.Since) && set.On(set.Since) {
			set.Since = was.Since
		}
		t.Tracing = set
		return nil
	})
	return set, err
}
