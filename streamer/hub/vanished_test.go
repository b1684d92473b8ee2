package hub

import (
	"fmt"
	"testing"
	"time"
)

// A client that vanishes acknowledges nothing any more. It gets a sign of life within 20 s, which is checked every
// second from then on, and is cut when that is 24 s old.
func TestAClientThatVanishesIsFoundWithin45Seconds(t *testing.T) {
	for phase := range 21 {
		t.Run(fmt.Sprintf("%d s after a tick of the wheel", phase), func(t *testing.T) {
			inBubble(t, Options{}, func(r *rig) {
				x := r.connect("", "a")
				r.pass(time.Minute + time.Duration(phase)*time.Second)
				r.publish("a", "seen")
				r.settle()
				x.c.mu.Lock()
				x.vanished, x.acked = true, x.c.sent
				x.c.mu.Unlock()
				r.pass(45 * time.Second)
				if !x.now().over || x.now().released != 1 || r.hub.Stats().Ended["stalled"] != 1 {
					t.Errorf("it is still there: %v", r.hub.Stats().Ended)
				}
			})
		})
	}
}
