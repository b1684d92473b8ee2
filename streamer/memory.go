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

	// workerIdle is how long fasthttp keeps a goroutine for the next connection: less than memoryLook, so that their stacks are among what
	// is given back.
	workerIdle = 300 * time.Millisecond
)

// giveBack returns memory to the system whenever a storm of connects is over, until ctx ends.
func (a *App) giveBack(ctx context.Context) {
	tick := time.NewTicker(memoryLook)
	defer tick.Stop()
	var last, given int64
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := a.handedOver.Load()
		if now-last < memoryCalm && now-given >= memoryStorm {
			debug.FreeOSMemory()
			given = now
		}
		last = now
	}
}
