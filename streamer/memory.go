package streamer

import (
	"context"
	"runtime/debug"
	"time"
)

// A connect costs some 20 KB of memory, which is garbage once the stream is handed over. Go keeps it for reuse and
// returns it only over minutes, so that a node that has just taken ten thousand streams would stay twice as large as
// they need.
const (
	memoryLook  = time.Second
	memoryCalm  = 25  // hand-overs in one interval; fewer mean that the storm is over
	memoryStorm = 500 // hand-overs since memory was last returned
	// memoryAfter is the number of intervals after which memory is returned once more: by then slots are written and
	// rights have been rechecked, which takes some 400 bytes per stream.
	memoryAfter = 10

	// workerIdle is how long fasthttp keeps a goroutine for the next connection. It is shorter than memoryLook, so
	// that the memory of their stacks is returned too.
	workerIdle = 300 * time.Millisecond
)

// releaseMemory returns memory to the system after each storm of connects, until ctx ends.
func (a *App) releaseMemory(ctx context.Context) {
	tick := time.NewTicker(memoryLook)
	defer tick.Stop()
	var s stormDetector
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if s.over(a.handedOver.Load()) {
			debug.FreeOSMemory()
		}
	}
}

// stormDetector tells from the number of hand-overs when to return memory.
type stormDetector struct {
	last, given int64
	after       int // intervals until memory is returned once more; 0: it is not
}

// over reports whether a storm has just ended. It is called once per interval with the number of hand-overs so far.
func (s *stormDetector) over(now int64) bool {
	calm := now-s.last < memoryCalm
	s.last = now
	if !calm {
		return false
	}
	if now-s.given >= memoryStorm {
		s.given, s.after = now, memoryAfter
		return true
	}
	if s.after > 0 {
		s.after--
		return s.after == 0
	}
	return false
}
