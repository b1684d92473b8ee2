package hub

import (
	"testing"
	"time"
)

// Bytes in the kernel age too: a client that reads a byte per second is cut, and one that is always some bytes behind
// because more is on its way is not.
func TestBytesInTheKernelGrowOld(t *testing.T) {
	inBubble(t, Options{UnsentAge: 30 * time.Second, UnsentBytes: 1 << 30}, func(r *rig) {
		trickles, steady := r.connect("", "a"), r.connect("", "a")
		r.settle()
		hold := func(cl *client, bytes func(sent int64) int) {
			cl.c.mu.Lock()
			defer cl.c.mu.Unlock()
			cl.kernel = bytes(cl.c.sent)
		}
		for second := range 120 {
			r.publish("a", "x")
			r.pass(time.Second)
			hold(trickles, func(sent int64) int { return int(sent) - second })
			hold(steady, func(int64) int { return 20 })
			if second == 29 && trickles.now().over {
				t.Error("cut too early")
			}
		}
		if !trickles.now().over || r.hub.Stats().Ended["stalled"] != 1 {
			t.Errorf("the client that trickles is there after two minutes; ended: %v", r.hub.Stats().Ended)
		}
		if steady.now().over {
			t.Error("the steady client was cut")
		}
	})
}
