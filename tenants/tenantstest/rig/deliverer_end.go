package rig

import "time"

// Ending is how long Run takes to return once it is told to.
func Ending(stop func()) time.Duration {
	began := time.Now()
	stop()
	return time.Since(began)
}
