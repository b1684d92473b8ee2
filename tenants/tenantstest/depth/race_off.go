//go:build !race

package depth

// Race tells that the race detector watches, which takes five times as long.
const Race = false
