package main

import (
	"context"
	"fmt"
	"time"
)

const (
	// silence is how long a stream may be silent. Heartbeats arrive every 20 s. After a change of network, a
	// connection may stay open on which nothing ever arrives, without any error.
	silence = 50 * time.Second

	beat = 2 * time.Second // interval at which the wall clock is read
)

// patience says how long a stream may be silent, and has the clock that shows how long the machine slept. The zero
// value has the defaults.
type patience struct {
	silence time.Duration    // 0 for the constant silence
	wall    func() time.Time // nil for the machine's clock
}

func (p patience) untilSilent() time.Duration {
	if p.silence > 0 {
		return p.silence
	}
	return silence
}

// sleptError ends a stream after the machine slept: its connection looks alive but is dead.
type sleptError struct{ slept time.Duration }

func (e *sleptError) Error() string {
	return fmt.Sprintf("this machine slept for %s", e.slept.Round(time.Second))
}

// watch calls woke after each sleep of the machine, within one beat of its end, until ctx ends.
//
// While a laptop sleeps, the timers of Go and of the kernel stop on Linux and macOS. A connection that the server and
// routers forgot long ago then seems to have been silent for a moment only. The wall clock goes on. If it advances
// between two beats by more than a busy machine can be late, the machine slept. It may also have been stopped, or its
// clock may have been set; a new connection does no harm then.
func (p patience) watch(ctx context.Context, woke func(slept time.Duration)) {
	wall := p.wall
	if wall == nil {
		wall = func() time.Time { return time.Now().Round(0) } // drops the monotonic reading, which stops during sleep
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
