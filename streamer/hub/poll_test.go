package hub

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// short writes a result as "data@seq … > cursor".
func short(r Result) string {
	var b strings.Builder
	for _, i := range r.Items {
		if i.Gap != nil {
			fmt.Fprintf(&b, "gap %s %d-%d ", i.Gap.Channel, i.Gap.From, i.Gap.To)
		} else {
			fmt.Fprintf(&b, "%s@%s%d ", i.Event.Data, i.Event.Channel, i.Event.Seq)
		}
	}
	if r.Err != nil {
		return b.String() + tenants.CodeOf(r.Err)
	}
	return b.String() + "> " + r.Cursor
}

// poll runs a long poll whose response is its result in short.
func (r *rig) poll(wait time.Duration, max int, cursor string, channels ...string) *client {
	return r.with(Subscription{Poll: &Poll{Wait: wait, Max: max, Respond: func(res Result) []byte {
		return []byte(short(res))
	}}}, cursor, channels...).attach()
}

func TestPoll(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		r.append("a", numbers(1, 5)...)
		answered := func(x *client, want string) {
			t.Helper()
			r.settle()
			if got := x.now().got; got != want || want != "" && (!x.now().shut || x.now().released != 1) {
				t.Errorf("got %q, want %q, shut %v, released %d", got, want, x.now().shut, x.now().released)
			}
		}
		answered(r.poll(time.Minute, 0, "3", "a"), "4@a4 5@a5 > 5")
		answered(r.poll(0, 0, "5", "a"), "> 5")
		answered(r.poll(0, 0, "", "a"), "> 5")
		answered(r.poll(time.Minute, 2, "0", "a"), "1@a1 2@a2 > 2")
		answered(r.poll(time.Minute, 0, "9", "a"), "gap a 1-5 > 5")

		x, y := r.poll(25*time.Second, 0, "5", "a"), r.poll(25*time.Second, 0, "", "a")
		answered(x, "")
		r.pass(10 * time.Second)
		r.publish("a", "6", "7")
		answered(x, "6@a6 7@a7 > 7")
		answered(y, "6@a6 7@a7 > 7")

		z := r.poll(25*time.Second, 0, "7", "a")
		r.pass(24 * time.Second)
		answered(z, "")
		r.pass(1200 * time.Millisecond)
		answered(z, "> 7")

		r.edit(func() { r.floor["b"] = 3 })
		r.append("b", numbers(1, 4)...)
		both := string(tenants.AppendCursor(nil, tenants.CursorSeed([]string{"a", "b"}), []int64{6, 0}))
		done := string(tenants.AppendCursor(nil, tenants.CursorSeed([]string{"a", "b"}), []int64{7, 4}))
		w := r.poll(time.Minute, 0, both, "a", "b")
		r.settle()
		if got := w.now().got; got != "7@a7 gap b 1-2 3@b3 4@b4 > "+done && got != "gap b 1-2 3@b3 4@b4 7@a7 > "+done {
			t.Errorf("%q", got)
		}

		r.edit(func() { r.channels["b"][3].End = true })
		r.pass(2 * time.Minute)
		answered(r.poll(time.Minute, 0, "3", "b"), "4@b4 > !stop")
		answered(r.poll(time.Minute, 0, "4", "b"), "> !stop")
	})
}

func TestAPollOnALogThatIsDown(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		r.edit(func() { r.fail = func(string) error { return errors.New("down") } })
		x, y := r.poll(0, 0, "", "a"), r.poll(0, 0, "0", "a")
		r.pass(6 * time.Second)
		if x.now().got != "channel_unavailable" {
			t.Errorf("%q", x.now().got)
		}
		if y.now().got != "channel_unavailable" {
			t.Errorf("%q", y.now().got)
		}
	})
}

func TestWaitForAPoll(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		open := func() *Conn {
			c, err := r.hub.Open(Subscription{Tenant: ten, Channels: []string{"a"}, Positions: []int64{0},
				Poll: &Poll{Wait: time.Minute}})
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		go func() {
			time.Sleep(time.Second)
			r.publish("a", "1")
		}()
		c := open()
		if res, err := c.Wait(r.t.Context()); err != nil || short(res) != "1@a1 > 1" {
			t.Errorf("%s, %v", short(res), err)
		}
		if _, err := c.Wait(r.t.Context()); tenants.CodeOf(err) != "poll_lapsed" {
			t.Errorf("waited twice: %v", err)
		}
		r.edit(func() { r.channels["a"] = nil })
		ctx, cancel := context.WithTimeout(r.t.Context(), time.Second)
		defer cancel()
		r.pass(2 * time.Minute)
		c = open()
		if _, err := c.Wait(ctx); tenants.KindOf(err) != tenants.Unavailable {
			t.Errorf("cancelled: %v", err)
		}
		if n := r.hub.Stats().Connections; n != 0 {
			t.Errorf("%d connections", n)
		}
	})
}
