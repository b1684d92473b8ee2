package contract

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/hookcast/hookcast/tenants"
)

// messageCases hold for every queue, with and without groups.
var messageCases = map[string]func(*queueCase){
	"a message comes as it was sent, once": func(c *queueCase) {
		m := c.message("body")
		if c.grouped {
			m.Dedupe = tenants.NewID("dup_")
		}
		before := time.Now()
		c.send(m)
		r := c.gets(10, "body")[0]
		if r.Group != m.Group || r.Receives != 1 || r.Receipt == "" {
			c.Errorf("received %+v, want a first receipt in group %q", r, m.Group)
		}
		if r.Sent.Before(before.Add(-time.Second)) || r.Sent.After(time.Now().Add(time.Second)) {
			c.Errorf("got the time of sending %v, want about %v", r.Sent, before)
		}
		c.done(r)
		c.getsNone()
	},
	"bodies of any bytes and of the largest size": func(c *queueCase) {
		every, large := make([]byte, 256), make([]byte, c.MaxBody)
		for i := range every {
			every[i] = byte(i)
		}
		for i := range large {
			large[i] = byte(rand.Uint32())
		}
		for _, body := range []string{"\x00", " ", string(every), "ä\u2028\U0001F600", string(large)} {
			c.send(c.message(body))
			c.done(c.gets(1, body)...)
		}
	},
	"the queue is done with its arguments": func(c *queueCase) {
		m := c.message("body")
		c.send(m)
		m.Body[0] = 'X'
		c.gets(1, "body")
	},
	"many go in one Send, and a few at a time come out": func(c *queueCase) {
		bodies := numbered("m", 33)
		var ms []tenants.Message
		for _, b := range bodies {
			ms = append(ms, c.message(b))
		}
		c.send(ms...)
		got := bodiesOf(c.drain(33))
		slices.Sort(got)
		if !slices.Equal(got, bodies) {
			c.Errorf("received %q, want %q", got, bodies)
		}
		c.getsNone()
	},
	"what is received is hidden, and comes again after its visibility": func(c *queueCase) {
		c.send(c.message("a"))
		start := time.Now()
		first := c.gets(1, "a")[0]
		c.getsNone()
		second := c.receive(1, 3*c.Visibility)
		if len(second) != 1 || second[0].Receives != 2 || second[0].Receipt == first.Receipt {
			c.Fatalf("received %+v, want a second receipt", second)
		}
		c.soon(start, c.Visibility)
	},
	"a receipt that has lapsed removes and releases nothing that another holds": func(c *queueCase) {
		c.send(c.message("a"))
		stale := c.gets(1, "a")
		fresh := c.receive(1, 3*c.Visibility)
		if len(fresh) != 1 {
			c.Fatal("the visibility did not lapse")
		}
		c.release(0, stale...)
		c.getsNone()
		c.done(stale...)
		c.release(0, fresh...)
		c.done(c.gets(1, "a")...)
		c.done(fresh...)
		c.getsNone()
	},
	"what is released comes again at once or after its delay": func(c *queueCase) {
		c.send(c.message("a"))
		c.release(0, c.gets(1, "a")...)
		again := c.gets(1, "a")
		if again[0].Receives != 2 {
			c.Errorf("got Receives %d, want 2", again[0].Receives)
		}
		start := time.Now()
		c.release(later, again...)
		c.getsNone()
		c.gets(1, "a")
		c.soon(start, later)
	},
	"what was received too often goes to the dead letters": func(c *queueCase) {
		m := c.message("poison")
		c.send(m)
		for range c.MaxReceives {
			c.release(0, c.gets(1, "poison")...)
		}
		c.getsNone()
		rs, err := c.dead.Receive(c.ctx, 10, patience)
		if err != nil || len(rs) != 1 || string(rs[0].Body) != "poison" || rs[0].Group != m.Group {
			c.Fatalf("got the dead letters %+v, %v; want poison", rs, err)
		}
		if err := c.dead.Done(c.ctx, rs...); err != nil {
			c.Error(err)
		}
		c.getsNone()
	},
	"an empty queue gives none, after the wait and not before": func(c *queueCase) {
		for _, wait := range []time.Duration{0, time.Second} {
			start := time.Now()
			if rs := c.receive(10, wait); len(rs) != 0 {
				c.Errorf("received %q, want none", bodiesOf(rs))
			}
			if took := time.Since(start); took < wait || took > wait+patience/2 {
				c.Errorf("a wait of %v took %v", wait, took)
			}
		}
	},
	"a waiting receiver has what is sent at once": func(c *queueCase) {
		got := make(chan []tenants.Received, 1)
		waiting := make(chan struct{})
		go func() {
			close(waiting)
			rs, err := c.q.Receive(c.ctx, 10, patience)
			if err != nil {
				c.Error(err)
			}
			got <- rs
		}()
		<-waiting
		if c.Bubble != nil {
			time.Sleep(moment) // it is waiting by now
		}
		start := time.Now()
		c.send(c.message("a"))
		rs := <-got
		if took := time.Since(start); len(rs) != 1 || took > patience/2 ||
			c.Bubble != nil && took > 100*time.Millisecond {
			c.Errorf("received %q after %v, want one at once", bodiesOf(rs), took)
		}
	},
	"a receiver that gives up takes no message along": func(c *queueCase) {
		ctx, cancel := context.WithCancel(c.ctx)
		ended := make(chan error, 1)
		go func() {
			_, err := c.q.Receive(ctx, 10, patience)
			ended <- err
		}()
		if c.Bubble != nil {
			time.Sleep(moment)
		}
		cancel()
		if err := <-ended; tenants.KindOf(err) != tenants.Unavailable {
			c.Errorf("got error %v, want kind Unavailable", err)
		}
		c.send(c.message("a"))
		if r := c.gets(10, "a"); r[0].Receives != 1 && !c.Abandoned {
			c.Errorf("got Receives %d, want 1", r[0].Receives)
		}
	},
	"a cancelled ctx is unavailable": func(c *queueCase) {
		c.send(c.message("a"))
		rs := c.gets(1, "a")
		ctx, cancel := context.WithCancel(c.ctx)
		cancel()
		_, receive := c.q.Receive(ctx, 1, patience)
		for name, err := range map[string]error{
			"Send": c.q.Send(ctx, c.message("b")), "Receive": receive,
			"Done": c.q.Done(ctx, rs...), "Release": c.q.Release(ctx, 0, rs...),
		} {
			if tenants.KindOf(err) != tenants.Unavailable {
				c.Errorf("%s: got %v, want kind Unavailable", name, err)
			}
		}
	},
	"of many receivers one has each message": func(c *queueCase) {
		const senders, each = 4, 40
		var wg sync.WaitGroup
		for range senders {
			wg.Go(func() {
				for _, b := range numbered(tenants.NewID(""), each) {
					if err := c.q.Send(c.ctx, c.message(b)); err != nil {
						c.Error(err)
					}
				}
			})
		}
		var (
			mu   sync.Mutex
			seen = map[string]int{}
		)
		for range 4 {
			wg.Go(func() {
				for {
					rs, err := c.q.Receive(c.ctx, 10, time.Second)
					if err != nil {
						c.Error(err)
						return
					}
					if err := c.q.Done(c.ctx, rs...); err != nil {
						c.Error(err)
					}
					mu.Lock()
					for _, r := range rs {
						seen[string(r.Body)]++
					}
					all := len(seen) == senders*each
					mu.Unlock()
					if all {
						return
					}
				}
			})
		}
		wg.Wait()
		for b, n := range seen {
			if n != 1 {
				c.Errorf("%s arrived %d times, want once", b, n)
			}
		}
	},
}
