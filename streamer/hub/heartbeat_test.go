package hub

import (
	"strings"
	"testing"
	"time"
)

func TestHeartbeats(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		x := r.connect("", "a")
		r.settle()
		for range 6 {
			before := len(x.now().got)
			r.pass(20 * time.Second)
			r.settle()
			if len(x.now().got) == before {
				t.Fatal("20 s without a sign of life")
			}
		}
		if n := strings.Count(x.text(), "beat"); n != 3 || strings.Count(x.now().got, "\n:\n\n") != 3 {
			t.Errorf("%d named of 6: %q", n, x.now().got)
		}
	})
}

// Connections that come together do not all get their heartbeats together.
func TestHeartbeatsAreSpread(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		var all []*client
		for range 400 {
			all = append(all, r.connect("", "a"))
		}
		r.settle()
		before := make([]int, len(all))
		for range 200 {
			moved := 0
			for i, x := range all {
				if n := len(x.now().got); n != before[i] {
					moved++
					before[i] = n
				}
			}
			if moved > 8 && moved < 400 {
				t.Errorf("%d heartbeats in a tick", moved)
			}
			r.pass(tick)
		}
	})
}

func TestNoHeartbeatInsideAFrame(t *testing.T) {
	inBubble(t, Options{UnsentAge: time.Hour}, func(r *rig) {
		x := r.connect("", "a")
		r.settle()
		x.take(7)
		r.publish("a", "12345")
		r.pass(2 * time.Minute)
		x.take(-1)
		r.settle()
		x.want("open@0 12345@1")
	})
}
