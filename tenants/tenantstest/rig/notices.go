package rig

import (
	"testing"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/intake"
)

// Notices are what the tenant was told.
func (r *IntakeRig) Notices(t *testing.T) (told []string) {
	t.Helper()
	r.AppendAll(t)
	for _, e := range r.All(t, tenants.NoticesChannel) {
		if e.Type != intake.TypeLimitWarning || e.DuplicateOf != "" {
			t.Errorf("%+v", e)
		}
		told = append(told, string(e.Data))
	}
	return told
}
