package rig

import (
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// Again tries until it is not Unavailable.
func Again(do func() error) error {
	for {
		if err := do(); err == nil || tenants.KindOf(err) != tenants.Unavailable {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}
