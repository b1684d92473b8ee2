//go:build race

package tenants_test

// slower is how many times fewer schedules there is time for under the race detector.
const slower = 5
