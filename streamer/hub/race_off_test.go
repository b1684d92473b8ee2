//go:build !race

package hub

const slower = 1
