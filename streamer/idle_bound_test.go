//go:build linux && !race

package streamer

import "testing"

// TestAnIdleStreamHoldsNoGoroutineAndLittleMemory checks the benchmark's bound with fewer streams. It measures the
// process as the kernel sees it, including garbage of 1,000 connects, so the bound is loose; a stream that kept
// fasthttp's reader would exceed it. It does not run under the race detector, whose own memory exceeds the bound.
func TestAnIdleStreamHoldsNoGoroutineAndLittleMemory(t *testing.T) {
	for name, ask := range map[string]string{"sse": askStream, "websocket": askSocket} {
		t.Run(name, func(t *testing.T) {
			const n = 1000
			s := startServer(t, 0)
			s.idle(t, 100, ask)
			s.say(t, "collect")
			before, few := s.weigh(t)
			s.idle(t, n, ask)
			s.say(t, "collect")
			after, many := s.weigh(t)
			if each := (after - before) / n; each > 8<<10 {
				t.Errorf("%d bytes per stream", each)
			}
			if many-few > n/10 {
				t.Errorf("%d streams hold %d goroutines", n, many-few)
			}
		})
	}
}
