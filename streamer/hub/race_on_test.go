//go:build race

package hub

// slower is how many times fewer schedules there is time for under the race detector.
const slower = 8
