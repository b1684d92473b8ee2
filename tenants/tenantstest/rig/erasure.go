package rig

import (
	"fmt"
	"testing"
)

// Estate gives the rig's tenant a bit of everything, and what is left of it can be looked at in everything.
func (r *IntakeRig) Estate(t *testing.T, token string) {
	t.Helper()
	for n := range 30 {
		if _, err := r.Receiver.Receive(t.Context(), Github(t, token, fmt.Sprint(n), "push", fmt.Sprintf(`{"repository":{"name":"r%d"}}`, n%3))); err != nil {
			t.Fatal(err)
		}
	}
	r.AppendAll(t)
}
