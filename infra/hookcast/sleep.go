package main

import (
	"context"
	"fmt"
	"time"
)

const (
	// silence is how long a stream may be silent. Heartbeats come every 20 s; a network that changed leaves a connection behind on which nothing
	// ever comes, and nothing says so.
	silence = 50 * time.Second

	beat = 2 * time.Second // between two looks at the clock on the wall
)

// patience is how long a stream may be silent, and the clock that shows how long the machine has slept. The zero value is what users want.
type patience struct {
	silence time.Duration    // 0: the constant
	wall    func() time.Time // nil: the machine's
}

func (p patience) untilSilent() time.Duration {
	if p.silence > 0 {
		return p.silence
	}
	return silence
}

// sleptError is why a stream is left whose connection looks alive and is dead.
type sleptError struct{ slept time.Duration }

func (e *sleptError) Error() string {
	return fmt.Sprintf("this machine slept for %s", e.slept.Round(time.Second))
}

// watch tells woke of each sleep of the machine, within a beat of its end, until ctx ends.
//
// While a laptop sleeps Go's timers stand still on Linux and macOS, and so do the kernel's, so that a connection which server and routers have long
// forgotten counts as one that was silent for a moment. The clock on the wall goes on. Where more of it has passed between two beats than a busy machine
// can be late by, the machine slept; or was stopped, or had its clock set, and then a new connection does no harm.
func (p patience) watch(ctx context.Context, woke func(slept time.Duration)) {
	wall := p.wall
	if wall == nil {
		wall = func() time.Time { return time.Now().Round(0) } // without the clock that stands still
	}
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for last := wall(); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := wall()
		if gone := now.Sub(last); gone > 3*beat {
			woke(gone)
		}
		last = now
	}
}
