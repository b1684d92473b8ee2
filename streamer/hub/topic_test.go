package hub

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

func TestALiveEventIsOneWriteForEach(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		r.append("a", numbers(1, 2)...)
		x, y := r.connect("", "a"), r.connect("", "a")
		r.settle()
		before := x.now().writes
		r.publish("a", "3")
		r.settle()
		x.want("open@2 3@3")
		y.want("open@2 3@3")
		r.publish("a", "4", "5", "6")
		r.settle()
		x.want("open@2 3@3 4@4 5@5 6@6")
		if n := x.now().writes - before; n != 2 {
			t.Errorf("%d writes for a single event and a batch of three", n)
		}
	})
}

func TestInterestIsCommittedBeforeTheLogIsRead(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		r.edit(func() { r.delay = time.Second })
		r.connect("0", "a")
		r.connect("", "b")
		r.settle()
		r.pass(10 * time.Second)
		if got := strings.Join(r.called(), ", "); got != "register a, register b, read a, tail b, read b" &&
			got != "register a, register b, tail b, read a, read b" &&
			got != "register b, register a, read a, tail b, read b" &&
			got != "register b, register a, tail b, read a, read b" {
			t.Errorf("%s", got)
		}
	})
}

func TestEventsThatComeWhileATopicOpensAreInOrder(t *testing.T) {
	for cursor, want := range map[string]string{"": "open@5 6@6", "0": "open@0 1@1 2@2 3@3 4@4 5@5 6@6",
		"2": "open@2 3@3 4@4 5@5 6@6"} {
		inBubble(t, Options{}, func(r *rig) {
			r.append("a", numbers(1, 3)...)
			r.edit(func() { r.delay = 2 * time.Second })
			x := r.connect(cursor, "a")
			r.pass(3500 * time.Millisecond) // interest is written, and the log has been read
			r.publish("a", "4")
			r.publish("a", "5")
			r.pass(10 * time.Second)
			r.publish("a", "6")
			r.settle()
			x.want(want)
		})
	}
}

func TestAHoleIsReadFromTheLogAndARepeatDropped(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		x := r.connect("", "a")
		r.settle()
		all := r.append("a", numbers(1, 9)...)
		r.tell("a", all[0])
		r.tell("a", all[0], all[1])
		r.tell("a", all[5]) // 3 to 5 are lost on the way
		r.tell("a", all[8], all[6])
		r.tell("a", all[7])
		r.settle()
		x.want("open@0 1@1 2@2 3@3 4@4 5@5 6@6 7@7 8@8 9@9")
		if n := r.hub.Stats().Repeats; n != 1 {
			t.Errorf("%d repeats", n)
		}
	})
}

func TestALostNoticeIsFoundWithinAMinute(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		x := r.connect("", "a")
		r.settle()
		r.pass(17 * time.Second)
		r.append("a", "1")
		r.pass(time.Minute)
		r.settle()
		if got := strings.ReplaceAll(x.text(), " beat", ""); got != "open@0 1@1" {
			t.Error(got)
		}
		if n := r.hub.Stats().Recovered; n != 1 {
			t.Errorf("%d recovered", n)
		}
	})
}

func TestAQuietChannelIsAskedForLess(t *testing.T) {
	inBubble(t, Options{Heartbeat: time.Hour}, func(r *rig) {
		r.connect("", "a")
		r.settle()
		r.pass(25 * time.Hour)
		before := r.count("read a")
		r.pass(time.Hour)
		if n := r.count("read a") - before; n < 5 || n > 7 {
			t.Errorf("%d reads in an hour", n)
		}
	})
}

func TestAFailingLogIsTriedAgain(t *testing.T) {
	for _, call := range []string{"register", "tail", "read"} {
		inBubble(t, Options{}, func(r *rig) {
			r.fail = func(c string) error {
				if c == call {
					return errors.New("down")
				}
				return nil
			}
			r.append("a", "1")
			x := r.connect("", "a")
			r.settle()
			if got := x.now().got; got != "HTTP/1.1 200 OK\r\n\r\n" {
				t.Errorf("%s: the head must be out, got %q", call, got)
			}
			r.pass(4 * time.Second)
			r.mu.Lock()
			r.fail = nil
			r.mu.Unlock()
			r.pass(6 * time.Second)
			r.publish("a", "2")
			r.settle()
			x.want("open@1 2@2")
		})
	}
}

func TestInterestLingersAndGoes(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		x := r.connect("", "a")
		r.settle()
		x.leave()
		r.pass(20 * time.Second)
		r.publish("a", "1") // the ring continues
		y := r.connect("0", "a")
		r.settle()
		y.want("open@0 1@1")
		y.leave()
		r.pass(29 * time.Second)
		if !r.interested("a") {
			t.Error("interest is gone before its time")
		}
		r.pass(10 * time.Second)
		r.settle()
		if r.interested("a") || r.hub.Stats().Channels != 0 {
			t.Error("interest stays")
		}
		if n := r.count("register a"); n != 1 {
			t.Errorf("registered %d times", n)
		}
		z := r.connect("0", "a")
		r.settle()
		z.want("open@0 1@1")
		if !r.interested("a") || x.now().released != 1 || y.now().released != 1 {
			t.Error("interest must be back, and each slot given back once")
		}
	})
}

// A subscriber that comes while the interest row is being removed gets one that is written afterwards.
func TestInterestIsWrittenOneAfterTheOther(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		r.edit(func() { r.delay = 3 * time.Second })
		x := r.connect("", "a")
		r.pass(20 * time.Second)
		x.leave()
		for !r.hub.topicState(topicKey{ten, "a"}, dropping) {
			r.pass(100 * time.Millisecond)
		}
		y := r.connect("", "a")
		r.pass(30 * time.Second)
		r.publish("a", "1")
		r.settle()
		if got := strings.ReplaceAll(y.text(), " beat", ""); got != "open@0 1@1" || !r.interested("a") {
			t.Errorf("%s, interest %v", got, r.interested("a"))
		}
	})
}

// topicState reports whether the topic is in that state, asked on its own worker.
func (h *Hub) topicState(k topicKey, want topicState) bool {
	h.mu.Lock()
	t := h.topics[k]
	h.mu.Unlock()
	if t == nil {
		return false
	}
	is := make(chan bool, 1)
	t.post(op{kind: opDone, then: func(*worker) { is <- t.state == want }})
	return <-is
}

func TestReregister(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		x := r.connect("", "a")
		r.settle()
		r.append("a", "1") // sent to an inbox that is gone
		if err := r.hub.Reregister(r.t.Context(), "nod_2"); err != nil {
			t.Fatal(err)
		}
		r.settle()
		x.want("open@0 1@1")
		if r.count("register a") != 2 {
			t.Error(r.called())
		}
		if err := r.hub.Send(r.t.Context(), "nod_1"); tenants.KindOf(err) != tenants.NotFound {
			t.Errorf("the old name: %v", err)
		}
	})
}

func TestAnEventTooFarAheadIsNotKept(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		r.edit(func() { r.delay = 10 * time.Second })
		x := r.connect("0", "a")
		r.pass(17 * time.Second) // the opening's read is returning
		big := strings.Repeat("x", 300<<10)
		r.publish("a", big, big, big, big, big, big)
		r.pass(time.Minute)
		r.settle()
		if n := len(x.events()) - 1; strings.Count(x.text(), "x@") != 6 {
			t.Errorf("%d frames: %.100s", n, x.text())
		}
	})
}
