package hub

import (
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/streamer/sse"
)

// mark makes the channel's last event a snapshot.
func (r *rig) mark(channel string, end bool) {
	r.edit(func() {
		all := r.channels[channel]
		all[len(all)-1].Snapshot, all[len(all)-1].End = true, end
	})
}

// shows publishes a snapshot.
func (r *rig) shows(channel, data string) {
	r.t.Helper()
	r.append(channel, data)
	r.mark(channel, false)
	all := r.page(channel, 0, 1000).Events
	r.tell(channel, all[len(all)-1])
}

func TestWhoComesWithoutACursorBeginsWithTheSnapshot(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		dispatched := func(x *client, want string) {
			t.Helper()
			r.settle()
			var got []string
			for _, e := range x.events() {
				if !strings.HasPrefix(e.Name, "hookcast.") || e.Name == "" {
					got = append(got, string(e.Data))
				}
			}
			if strings.Join(got, " ") != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		r.append("a", "1", "2", "3")
		r.mark("a", false)
		first := r.connect("", "a") // the channel is read for it
		dispatched(first, "3")
		r.shows("a", "4")
		dispatched(first, "3 4")
		second := r.connect("", "a") // it is in memory
		dispatched(second, "4")
		dispatched(r.connect("4", "a"), "")
		dispatched(r.connect("2", "a"), "3 4")
		p := r.poll(0, 0, "", "a")
		r.settle()
		if got := p.now().got; got != "4@a4 > 4" {
			t.Errorf("polled %q", got)
		}
		r.publish("a", "5") // no snapshot: a new subscriber gets the events from now on
		third := r.connect("", "a")
		dispatched(third, "")
		r.shows("a", "6")
		dispatched(third, "6")
		dispatched(first, "3 4 5 6")

		r.pass(10 * time.Minute) // the ring has dropped it
		dispatched(r.connect("", "a"), "6")
	})
}

func TestWhoComesAfterTheEndGetsTheLastEventAndThenStops(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		r.append("a", "1", "2")
		r.mark("a", true)
		x := r.connect("", "a")
		r.settle()
		all := x.events()
		if n := len(all); n < 2 || string(all[n-2].Data) != "2" || all[n-1].Name != sse.Ended || all[n-1].ID != Stop ||
			!x.now().shut {
			t.Errorf("got %+v", all)
		}
		p := r.poll(time.Minute, 0, "", "a")
		r.settle()
		if got := p.now().got; got != "2@a2 > "+Stop {
			t.Errorf("polled %q", got)
		}
	})
}
