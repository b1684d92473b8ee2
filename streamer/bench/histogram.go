//go:build linux

package main

import (
	"math/bits"
	"time"
)

// histogram counts durations in buckets whose width is a 64th of their values.
type histogram struct {
	counts [64 * 64]int64
	total  int64
	most   int64
}

func (h *histogram) add(ns int64) {
	ns = max(ns, 0)
	h.counts[bucket(ns)]++
	h.total++
	h.most = max(h.most, ns)
}

// bucket returns the bucket of a value: values below 64 have one each; above, each power of two has 64.
func bucket(ns int64) int {
	shift := max(bits.Len64(uint64(ns))-7, 0)
	return shift*64 + int(ns>>shift)
}

// quantile returns the value below which the share q of all values lies, to 2 %.
func (h *histogram) quantile(q float64) time.Duration {
	rank := int64(q * float64(h.total))
	for i, n := range h.counts {
		if rank -= n; rank < 0 {
			if i < 128 {
				return time.Duration(i + 1)
			}
			shift := i/64 - 1
			return time.Duration((int64(i) - int64(shift)*64 + 1) << shift)
		}
	}
	return time.Duration(h.most)
}
