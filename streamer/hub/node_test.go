package hub

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

func TestACountIsToldSoonAndOnce(t *testing.T) {
	inBubble(t, Options{Count: time.Second, Linger: time.Hour}, func(r *rig) {
		told := func(want int) {
			t.Helper()
			r.edit(func() {
				if r.subscribers["a"] != want {
					t.Errorf("%d subscribers are told, want %d", r.subscribers["a"], want)
				}
			})
		}
		x := r.connect("", "a")
		r.settle()
		told(1)
		var more []*client
		for range 20 {
			more = append(more, r.connect("", "a"))
			r.pass(40 * time.Millisecond)
		}
		told(1)
		r.pass(time.Second)
		told(21)
		if n := r.count("register a"); n != 2 {
			t.Errorf("the row was written %d times", n)
		}
		r.edit(func() {
			r.fail = func(string) error { return tenants.Errorf(tenants.Unavailable, "down", "down") }
		})
		for _, c := range more {
			c.leave()
		}
		r.pass(3 * time.Second)
		told(21)
		r.edit(func() { r.fail = nil })
		r.pass(2 * time.Second)
		told(1)
		x.leave()
		r.pass(1500 * time.Millisecond)
		told(0)
		writes := r.count("register a")
		r.pass(time.Minute)
		if n := r.count("register a"); n != writes {
			t.Errorf("%d writes while nothing changed", n-writes)
		}
	})
}

func TestInterestIsRenewedHalfWay(t *testing.T) {
	inBubble(t, Options{Lease: func() time.Time { return time.Now().Add(24 * time.Hour) }}, func(r *rig) {
		r.connect("", "a")
		r.pass(11 * time.Hour)
		if n := r.count("register a"); n != 1 {
			t.Errorf("registered %d times within 11 h", n)
		}
		r.pass(2 * time.Hour)
		if n := r.count("register a"); n != 2 {
			t.Errorf("registered %d times within 13 h", n)
		}
	})
}

// A topic that is opening when the node changes its name has its interest under the new name before it reads the log.
func TestATopicThatOpensUnderAnOldName(t *testing.T) {
	for _, after := range []time.Duration{500 * time.Millisecond, 1500 * time.Millisecond, 2500 * time.Millisecond} {
		inBubble(t, Options{}, func(r *rig) {
			r.edit(func() { r.delay = 2 * time.Second })
			x := r.connect("", "a")
			r.pass(after)
			if err := r.hub.Reregister(r.t.Context(), "nod_2"); err != nil {
				t.Fatal(err)
			}
			r.pass(30 * time.Second)
			r.edit(func() {
				if r.named["a"] != "nod_2" {
					t.Errorf("interest is under %q", r.named["a"])
				}
			})
			last := map[string]int{}
			for i, c := range r.called() {
				last[strings.Fields(c)[0]] = i
			}
			if last["read"] < last["register"] {
				t.Errorf("the log was not read behind the last registration: %q", r.called())
			}
			x.want("open@0")
		})
	}
}

func TestReregisterTellsWhatFailed(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		r.connect("", "a")
		r.connect("", "b")
		r.settle()
		r.edit(func() {
			r.fail = func(what string) error {
				if what == "register" {
					return tenants.Errorf(tenants.Unavailable, "down", "down")
				}
				return nil
			}
		})
		if err := r.hub.Reregister(r.t.Context(), "nod_2"); tenants.KindOf(err) != tenants.Unavailable {
			t.Errorf("Reregister = %v", err)
		}
		r.settle()
		r.edit(func() { r.fail = nil })
		if err := r.hub.Reregister(r.t.Context(), "nod_2"); err != nil {
			t.Error(err)
		}
		r.edit(func() {
			if r.named["a"] != "nod_2" || r.named["b"] != "nod_2" {
				t.Errorf("interest is under %v", r.named)
			}
		})
	})
}

func TestShedEndsTheNewestWithAHint(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		var all []*client
		for i := range 6 {
			all = append(all, r.with(Subscription{Principal: &tenants.Principal{Tenant: ten,
				Subject: []string{"alice", "bob"}[i%2]}}, "", []string{"a", "b"}[i/3]).attach())
			r.pass(time.Second)
		}
		ended := func() (s string) {
			r.pass(2 * time.Second)
			for _, c := range all {
				if c.now().shut {
					s += "x"
					if text := c.text(); !strings.Contains(text, `hookcast.quota{"code":"connection_limit"`) ||
						c.now().released != 1 {
						t.Errorf("%s, released %d times", text, c.now().released)
					}
				} else {
					s += "."
				}
			}
			return s
		}
		for _, step := range []struct {
			channel, subject string
			n                int
			want             string
		}{
			{"", "", 1, ".....x"},
			{"a", "", 1, "..x..x"},
			{"", "alice", 1, "..x.xx"},
			{"b", "alice", 5, "..x.xx"},
			{"", "", 0, "..x.xx"},
			{"", "", 50, "xxxxxx"},
		} {
			r.hub.Shed("ten_b", "", "", 9)
			r.hub.Shed(ten, step.channel, step.subject, step.n)
			if got := ended(); got != step.want {
				t.Errorf("%+v: %s", step, got)
			}
		}
		if n := r.hub.Stats().Ended["shed"]; n != 6 {
			t.Errorf("%d were shed", n)
		}
	})
}

func TestWithdrawDropsWhatIsServed(t *testing.T) {
	inBubble(t, Options{}, func(r *rig) {
		r.connect("", "a")
		r.connect("", "b")
		r.settle()
		if got := r.hub.Tenants(); len(got) != 1 || got[0] != ten {
			t.Errorf("tenants %q", got)
		}
		r.hub.Drain(r.t.Context(), 0)
		if err := r.hub.Withdraw(r.t.Context()); err != nil {
			t.Fatal(err)
		}
		if r.interested("a") || r.interested("b") {
			t.Error("interest is left")
		}
		r.pass(2 * time.Second)
		if got := r.hub.Tenants(); len(got) != 0 {
			t.Errorf("tenants %q", got)
		}
		ctx, cancel := context.WithTimeout(r.t.Context(), time.Second)
		defer cancel()
		r.hub.Close()
		if err := r.hub.Withdraw(ctx); len(r.hub.stride(0, 1)) > 0 && err == nil {
			t.Error("a closed hub withdraws")
		}
	})
}
