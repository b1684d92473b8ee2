package streamer

import (
	"context"
	"runtime/debug"
	"time"
)

// A connect costs some 20 KB of memory that is garbage as soon as the stream is handed over. Go keeps it for what comes next, and by
// itself gives it back over minutes, so that a node that has taken ten thousand streams would stay twice as large as they are.
const (
	memoryLook  = time.Second
	memoryCalm  = 25  // handed over in one interval: fewer, and the storm is over
	memoryStorm = 500 // handed over since memory was last given back
	// memoryAfter is how many intervals later it is given back once more: by then slots are noted and rights have been weighed again, which
	// takes some 400 bytes for each stream.
	memoryAfter = 10

	// workerIdle is how long fasthttp keeps a goroutine for the next connection: less than memoryLook, so that their stacks are among what
	// is given back.
	workerIdle = 300 * time.Millisecond
)

// giveBack returns memory to the system whenever a storm of connects is over, until ctx ends.
func (a *App) giveBack(ctx context.Context) {
	tick := time.NewTicker(memoryLook)
	defer tick.Stop()
	var s storms
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

// storms tells by how many streams have been handed over when memory is to be given back.
type storms struct {
	last, given int64
	after       int // intervals until it is given back once more; 0: it is not
}

// over is called once in each interval, with how many have been handed over so far.
func (s *storms) over(now int64) bool {
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
