package contract

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// groupCases are about order within a group, and deduplication.
var groupCases = map[string]func(*queueCase){
	"a group comes in the order of Send": func(c *queueCase) {
		a, b := numbered("a", 25), numbered("b", 25)
		for i := range a {
			c.send(append(in("a", a[i]), in("b", b[i])...)...)
		}
		got := map[string][]string{}
		for _, r := range c.drain(50) {
			got[r.Group] = append(got[r.Group], string(r.Body))
		}
		if !slices.Equal(got["a"], a) || !slices.Equal(got["b"], b) {
			c.Errorf("received %q, want each group in order", got)
		}
	},
	"a group is blocked while one of it is held, and others are not": func(c *queueCase) {
		c.send(in("g", "1", "2", "3")...)
		held := c.gets(1, "1")
		c.getsNone()
		c.send(in("other", "x")...)
		c.done(c.gets(10, "x")...)
		c.done(held...)
		c.takes("2", "3")
	},
	"a group that was blocked wakes its receiver": func(c *queueCase) {
		c.send(in("g", "1", "2")...)
		held := c.gets(1, "1")
		got := make(chan []tenants.Received, 1)
		go func() {
			rs, err := c.q.Receive(c.ctx, 10, patience)
			if err != nil {
				c.Error(err)
			}
			got <- rs
		}()
		if c.Bubble != nil {
			time.Sleep(moment)
		}
		start := time.Now()
		c.done(held...)
		if rs := <-got; !slices.Equal(bodiesOf(rs), []string{"2"}) || time.Since(start) > patience/2 {
			c.Errorf("received %q after %v, want 2 at once", bodiesOf(rs), time.Since(start))
		}
	},
	"what is released or lapses keeps its place": func(c *queueCase) {
		c.send(in("g", "1", "2", "3")...)
		c.release(0, c.gets(1, "1")...)
		if r := c.gets(1, "1")[0]; r.Receives != 2 {
			c.Errorf("got Receives %d, want 2", r.Receives)
		}
		if rs := c.receive(1, 3*c.Visibility); !slices.Equal(bodiesOf(rs), []string{"1"}) {
			c.Fatalf("received %q, want 1", bodiesOf(rs))
		} else {
			c.done(rs...)
		}
		c.takes("2", "3")
	},
	"what is released with a delay holds back the later ones of its group alone": func(c *queueCase) {
		c.send(in("g", "1", "2")...)
		start := time.Now()
		c.release(later, c.gets(1, "1")...)
		c.send(in("g", "3")...)
		c.send(in("other", "x")...)
		c.done(c.gets(10, "x")...)
		rs := c.receive(1, patience)
		if took := time.Since(start); len(rs) != 1 || took < later-time.Second/2 {
			c.Errorf("received %q after %v, want one after %v", bodiesOf(rs), took, later)
		}
		c.done(rs...)
		c.takes("2", "3")
	},
	"a group goes on after its dead letters": func(c *queueCase) {
		c.send(in("g", "poison 1", "poison 2", "next")...)
		for _, poison := range []string{"poison 1", "poison 2"} {
			for range c.MaxReceives {
				c.release(0, c.gets(1, poison)...)
			}
		}
		c.done(c.gets(2, "next")...)
		c.deadAre("poison 1", "poison 2")
	},
	"no two receivers hold one group": func(c *queueCase) {
		const groups, each = 5, 20
		var ms []tenants.Message
		for _, b := range numbered("", each) {
			for g := range groups {
				ms = append(ms, in(string(rune('a'+g)), b)...)
			}
		}
		c.send(ms...)
		var (
			mu   sync.Mutex
			held = map[string]int{} // holder, counted from 1
			got  = map[string][]string{}
			left = groups * each
			wg   sync.WaitGroup
		)
		for me := 1; me <= 4; me++ {
			wg.Go(func() {
				for {
					rs, err := c.q.Receive(c.ctx, 3, time.Second)
					if err != nil {
						c.Error(err)
						return
					}
					mu.Lock()
					for _, r := range rs {
						if by := held[r.Group]; by != 0 && by != me {
							c.Errorf("receiver %d got group %s while %d holds it", me, r.Group, by)
						}
						held[r.Group] = me
						got[r.Group] = append(got[r.Group], string(r.Body))
					}
					mu.Unlock()
					time.Sleep(time.Millisecond) // time in which a second holder would be noticed
					mu.Lock()
					for _, r := range rs {
						held[r.Group] = 0
					}
					left -= len(rs)
					finished := left <= 0
					mu.Unlock()
					if err := c.q.Done(c.ctx, rs...); err != nil {
						c.Error(err)
						return
					}
					if finished {
						return
					}
				}
			})
		}
		wg.Wait()
		for g, bodies := range got {
			if !slices.Equal(bodies, numbered("", each)) {
				c.Errorf("group %s arrived as %q, want it in order", g, bodies)
			}
		}
	},
	"a deduplication id counts in its group, and after Done": func(c *queueCase) {
		id := tenants.NewID("dup_")
		first := tenants.Message{Group: "a", Dedupe: id, Body: []byte("first")}
		c.send(first)
		c.send(tenants.Message{Group: "a", Dedupe: id, Body: []byte("second")})
		c.done(c.gets(10, "first")...)
		c.send(first)
		c.send(tenants.Message{Group: "a", Dedupe: id + "x", Body: []byte("other id")})
		c.done(c.gets(10, "other id")...)
		c.send(in("a", "no id")...)
		c.send(in("a", "no id")...)
		c.takes("no id", "no id")
		c.getsNone()
	},
	"a deduplication id counts within one Send": func(c *queueCase) {
		id := strings.Repeat("d", 101) + tenants.NewID("")
		c.send(
			tenants.Message{Group: "a", Dedupe: id, Body: []byte("1")},
			tenants.Message{Group: "a", Dedupe: id, Body: []byte("2")},
			tenants.Message{Group: "a", Body: []byte("3")},
		)
		c.takes("1", "3")
		c.getsNone()
	},
	"a group's name has up to 128 bytes": func(c *queueCase) {
		long := strings.Repeat("g", 127)
		c.send(in(long+"1", "1")...)
		c.send(in(long+"2", "2")...)
		got := map[string]string{}
		for _, r := range c.drain(2) {
			got[r.Group] = string(r.Body)
		}
		if got[long+"1"] != "1" || got[long+"2"] != "2" {
			c.Errorf("received %q, want a message of each group", got)
		}
	},
}

// handfulCases receive several messages of a group at once.
var handfulCases = map[string]func(*queueCase){
	"a receive returns the oldest of a group": func(c *queueCase) {
		c.send(in("g", "1", "2", "3")...)
		c.done(c.gets(2, "1", "2")...)
		c.gets(10, "3")
	},
	"a group is blocked while one of several is held": func(c *queueCase) {
		c.send(in("g", "1", "2", "3")...)
		held := c.gets(2, "1", "2")
		c.getsNone()
		c.send(in("other", "x")...)
		c.done(c.gets(10, "x")...)
		c.done(held[0])
		c.getsNone()
		c.done(held[1])
		c.gets(10, "3")
	},
	"what is released keeps its place": func(c *queueCase) {
		c.send(in("g", "1", "2", "3")...)
		c.release(0, c.gets(2, "1", "2")...)
		rs := c.gets(10, "1", "2", "3")
		for i, want := range []int{2, 2, 1} {
			if rs[i].Receives != want {
				c.Errorf("%s: got Receives %d, want %d", rs[i].Body, rs[i].Receives, want)
			}
		}
		c.done(rs[0])
		c.release(0, rs[1:]...)
		c.gets(10, "2", "3")
	},
	"a group that lapses comes again in order": func(c *queueCase) {
		c.send(in("g", "1", "2", "3")...)
		c.gets(2, "1", "2")
		rs := c.receive(10, 3*c.Visibility)
		if !slices.Equal(bodiesOf(rs), []string{"1", "2", "3"}) {
			c.Errorf("received %q, want 1, 2, 3", bodiesOf(rs))
		}
	},
	"a group goes on after several dead letters": func(c *queueCase) {
		poison := []string{"poison 1", "poison 2", "poison 3"}
		c.send(in("g", append(poison, "next")...)...)
		for range c.MaxReceives {
			c.release(0, c.gets(3, poison...)...)
		}
		c.done(c.gets(2, "next")...)
		c.deadAre(poison...)
	},
}

// looseCases are about queues without groups, which have delays but no order.
var looseCases = map[string]func(*queueCase){
	"a delayed message comes after its delay, and holds nobody up": func(c *queueCase) {
		start := time.Now()
		c.send(tenants.Message{Body: []byte("late"), Delay: later}, tenants.Message{Body: []byte("now")})
		c.done(c.gets(10, "now")...)
		c.gets(10, "late")
		c.soon(start, later)
	},
	"a held message holds nobody up": func(c *queueCase) {
		c.send(tenants.Message{Body: []byte("a")})
		c.gets(1, "a")
		c.send(tenants.Message{Body: []byte("b")})
		c.gets(1, "b")
	},
}

// waitingQueueCases wait for minutes, in a bubble where that takes no time.
var waitingQueueCases = map[string]func(*queueCase){
	"a deduplication id counts for five minutes from the first": func(c *queueCase) {
		m := tenants.Message{Group: "g", Dedupe: "id", Body: []byte("b")}
		c.send(m)
		c.done(c.gets(10, "b")...)
		time.Sleep(4 * time.Minute)
		c.send(m)
		c.getsNone()
		time.Sleep(59 * time.Second)
		c.send(m)
		c.getsNone()
		time.Sleep(2 * time.Second)
		c.send(m)
		c.done(c.gets(10, "b")...)
		c.send(m)
		c.getsNone()
	},
	"a message waits for days": func(c *queueCase) {
		c.send(in("g", "b")...)
		time.Sleep(100 * time.Hour)
		if r := c.gets(10, "b")[0]; time.Since(r.Sent).Round(time.Hour) != 100*time.Hour {
			c.Errorf("got the time of sending %v, want 100 hours ago", r.Sent)
		}
	},
}
