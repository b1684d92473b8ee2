//go:build linux && !race

package streamer

import "testing"

// TestAnIdleStreamHoldsNoGoroutineAndLittleMemory is the benchmark's bound, on fewer streams. What is measured is the process as the
// kernel sees it, garbage of 1,000 connects included, so the bound is loose; a stream that kept fasthttp's reader would be over it. Not
// under the race detector, which weighs more than what is weighed.
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
