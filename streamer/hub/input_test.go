package hub

import (
	"strings"
	"testing"
	"time"
)

// echoInput answers with the bytes that it receives.
type echoInput struct{ last, rude bool }

func (p *echoInput) Receive(b []byte) Reply {
	return Reply{Bytes: append([]byte("re:"), b...), Last: p.last, Violation: p.rude}
}

// say sends b from the client.
func (cl *client) say(b string) {
	cl.c.mu.Lock()
	defer cl.c.mu.Unlock()
	cl.c.receive([]byte(b))
}

// A client that may send must answer: one that answers no ping has vanished, though its kernel may accept bytes.
func TestAClientThatAnswersNoPingIsCut(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		silent, there := r.with(Subscription{Input: &echoInput{}}, "", "a").attach(),
			r.with(Subscription{Input: &echoInput{}}, "", "a").attach()
		other := r.connect("", "a") // a client that may not send need not
		for range 4 {
			r.pass(10 * time.Second)
			there.say("pong")
		}
		if silent.now().over {
			t.Error("cut before a second ping could be answered")
		}
		for range 30 {
			r.pass(10 * time.Second)
			there.say("pong")
		}
		if !silent.now().over || silent.now().released != 1 || there.now().over || other.now().over ||
			r.hub.Stats().Ended["silent"] != 1 {
			t.Errorf("%v, %v, %v, %v", silent.now().over, there.now().over, other.now().over, r.hub.Stats().Ended)
		}
	})
}

func TestRepliesWaitForWhatIsUnderWayAndAreNotHoarded(t *testing.T) {
	inBubble(t, Options{UnsentAge: time.Hour}, func(r *rig) {
		x := r.with(Subscription{Input: &echoInput{}}, "", "a").attach()
		x.say("early") // before the head
		if got := x.now().got; strings.Contains(got, "re:") {
			t.Errorf("a reply before the head: %q", got)
		}
		r.settle()
		if got := x.now().got; !strings.HasSuffix(got, "re:early") {
			t.Errorf("%q", got)
		}
		x.take(3)
		r.publish("a", "12345")
		r.settle()
		x.say("1")
		x.say("2")
		x.take(-1)
		r.settle()
		if got := x.now().got; !strings.HasSuffix(got, "id: 1\n\nre:2") || strings.Contains(got, "re:1") {
			t.Errorf("%q", got)
		}
		x.say("3")
		if got := x.now().got; !strings.HasSuffix(got, "re:2re:3") {
			t.Errorf("%q", got)
		}
	})
}

func TestALastReplyEndsTheConnection(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		for cause, p := range map[string]*echoInput{"left": {last: true}, "rude": {last: true, rude: true}} {
			x := r.with(Subscription{Input: p}, "", "a").attach()
			r.settle()
			x.say("bye")
			if n := x.now(); !strings.HasSuffix(n.got, "re:bye") || !n.shut || n.released != 1 ||
				r.hub.Stats().Ended[cause] != 1 {
				t.Errorf("%s: %+v, %v", cause, n, r.hub.Stats().Ended)
			}
			x.say("and another thing")
			if n := x.now(); strings.Contains(n.got, "another") {
				t.Errorf("it is still listened to: %q", n.got)
			}
		}
	})
}

func TestTell(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		x := r.connect("", "a")
		r.settle()
		if !x.c.Tell("hookcast.x", []byte(`{"a":1}`)) {
			t.Error("it is there")
		}
		x.want(`open@0 hookcast.x{"a":1}@0`)
		x.leave()
		if x.c.Tell("hookcast.x", nil) {
			t.Error("it has left")
		}
	})
}
