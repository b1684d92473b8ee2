//go:build race

package depth

// Race reports whether the race detector is on; tests then take about five times as long.
const Race = true
