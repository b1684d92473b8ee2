package hub

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/streamer/sse"
	"github.com/hookcast/hookcast/tenants"
)

func TestDrain(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		var all []*client
		for range 100 {
			all = append(all, r.connect("", "a"))
		}
		poll := r.with(Subscription{Poll: &Poll{Wait: time.Minute, Respond: func(Result) []byte {
			return []byte("x")
		}}}, "", "a").attach()
		r.settle()
		begin := time.Now()
		go r.hub.Drain(r.t.Context(), 100*time.Second)
		r.pass(50 * time.Second)
		r.settle()
		ended := 0
		for _, x := range all {
			if x.now().shut {
				ended++
			}
		}
		if ended < 40 || ended > 60 {
			t.Errorf("%d of 100 after half of the time", ended)
		}
		if _, err := r.hub.Open(Subscription{Tenant: ten, Channels: []string{"a"},
			Format: sse.Data}); tenants.CodeOf(err) != "draining" {
			t.Errorf("opening while draining: %v", err)
		}
		r.pass(51*time.Second - time.Since(begin) + 50*time.Second)
		r.settle()
		for _, x := range all {
			if !x.now().shut || !strings.Contains(x.text(), "hookcast.goodbye") || x.lastID() != "0" ||
				x.now().released != 1 {
				t.Fatalf("%s", x.text())
			}
		}
		if poll.now().got != "x" {
			t.Error("the poll was not answered")
		}
	})
}

// A close after Drain must not destroy a goodbye that a client has yet to read.
func TestDrainReturnsOnceTheLastSocketIsClosed(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		prompt, silent, prepared := r.connect("", "a"), r.connect("", "a"), r.open("", "a")
		r.settle()
		drained := make(chan struct{})
		go func() {
			r.hub.Drain(r.t.Context(), 0)
			close(drained)
		}()
		ended := func() bool {
			r.settle()
			select {
			case <-drained:
				return true
			default:
				return false
			}
		}
		r.pass(tick)
		if !prompt.now().shut || prompt.now().over || ended() {
			t.Fatalf("a goodbye is on its way, and Drain has returned: %v", ended())
		}
		prompt.leave()
		r.pass(tick)
		if ended() {
			t.Fatal("Drain left a socket behind")
		}
		r.pass(drainTime + 2*tick)
		if !ended() || !silent.now().over || prepared.now().released != 1 {
			t.Errorf("returned %v, the silent one closed %v, the prepared one released %d times",
				ended(), silent.now().over, prepared.now().released)
		}
	})
}

func TestDrainReturnsWhenItsContextEnds(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		x := r.connect("", "a")
		r.settle()
		ctx, cancel := context.WithCancel(r.t.Context())
		cancel()
		r.hub.Drain(ctx, time.Hour)
		if x.now().over || !x.now().shut {
			t.Errorf("%+v", x.now())
		}
	})
}
