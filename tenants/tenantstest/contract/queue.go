package contract

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants"
	"github.com/hookcast/hookcast/tenants/tenantstest"
)

// QueueHarness gives TestQueue access to the Queue under test.
type QueueHarness struct {
	// New returns an empty queue and its dead letters, with groups or with delays. Without a bubble the cases run in
	// parallel.
	New func(t *testing.T, grouped bool) (q, dead tenants.Queue)

	Visibility  time.Duration // as configured: whole seconds
	MaxReceives int           // as configured: at least 2
	MaxBody     int           // bytes; 0 means 700,000

	// Abandoned says that a Receive whose ctx ended may hold a message until its visibility lapses.
	Abandoned bool

	// Bubble is as in TableHarness.
	Bubble func(t *testing.T, f func(t *testing.T))
}

// TestQueue tests that a Queue keeps its contract.
func TestQueue(t *testing.T, h QueueHarness) {
	if h.MaxBody == 0 {
		h.MaxBody = tenantstest.MaxMessage
	}
	run := func(cases map[string]func(*queueCase), grouped bool) {
		for name, f := range cases {
			t.Run(name, func(t *testing.T) {
				if h.Bubble == nil {
					t.Parallel() // the cases mostly wait
				}
				bubble(t, h.Bubble, func(t *testing.T) {
					q, dead := h.New(t, grouped)
					f(&queueCase{T: t, QueueHarness: h, ctx: t.Context(), q: q, dead: dead, grouped: grouped})
				})
			})
		}
	}
	run(prefixed("grouped: ", messageCases), true)
	run(prefixed("loose: ", messageCases), false)
	run(groupCases, true)
	run(handfulCases, true)
	run(looseCases, false)
	if h.Bubble != nil {
		run(waitingQueueCases, true)
	}
}

func prefixed(p string, cases map[string]func(*queueCase)) map[string]func(*queueCase) {
	m := make(map[string]func(*queueCase), len(cases))
	for name, f := range cases {
		m[p+name] = f
	}
	return m
}

// queueCase is the fixture of one case of TestQueue.
type queueCase struct {
	*testing.T
	QueueHarness
	ctx     context.Context
	q, dead tenants.Queue
	grouped bool
}

// patience is how long a case waits for an expected message.
const patience = 20 * time.Second

// moment is how long a case waits to see that no message arrives.
const moment = 100 * time.Millisecond

// later is how long a case delays a message. Everything that must happen before it takes less.
const later = 3 * time.Second

// message returns a message, in a group of its own if the queue has groups.
func (c *queueCase) message(body string) tenants.Message {
	m := tenants.Message{Body: []byte(body)}
	if c.grouped {
		m.Group = tenants.NewID("grp_")
	}
	return m
}

func in(group string, bodies ...string) []tenants.Message {
	ms := make([]tenants.Message, len(bodies))
	for i, b := range bodies {
		ms[i] = tenants.Message{Group: group, Body: []byte(b)}
	}
	return ms
}

func (c *queueCase) send(ms ...tenants.Message) {
	c.Helper()
	if err := c.q.Send(c.ctx, ms...); err != nil {
		c.Fatalf("Send: %v", err)
	}
}

func (c *queueCase) receive(max int, wait time.Duration) []tenants.Received {
	c.Helper()
	rs, err := c.q.Receive(c.ctx, max, wait)
	if err != nil {
		c.Fatalf("Receive: %v", err)
	}
	if len(rs) > max {
		c.Fatalf("received %d messages, want at most %d", len(rs), max)
	}
	return rs
}

// gets receives up to max messages, waiting, and expects exactly bodies.
func (c *queueCase) gets(max int, bodies ...string) []tenants.Received {
	c.Helper()
	rs := c.receive(max, patience)
	if got := bodiesOf(rs); !slices.Equal(got, bodies) {
		c.Fatalf("received %q, want %q", got, bodies)
	}
	return rs
}

// takes receives bodies in this order, in any number of batches, and is done with them.
func (c *queueCase) takes(bodies ...string) {
	c.Helper()
	if got := bodiesOf(c.drain(len(bodies))); !slices.Equal(got, bodies) {
		c.Fatalf("received %q, want %q", got, bodies)
	}
}

// deadAre receives the dead letters, is done with them, and expects exactly bodies.
func (c *queueCase) deadAre(bodies ...string) {
	c.Helper()
	var dead []string
	for len(dead) < len(bodies) {
		rs, err := c.dead.Receive(c.ctx, 10, patience)
		if err == nil {
			err = c.dead.Done(c.ctx, rs...)
		}
		if err != nil || len(rs) == 0 {
			c.Fatalf("got the dead letters %q, %v; want %q", dead, err, bodies)
		}
		dead = append(dead, bodiesOf(rs)...)
	}
	if !slices.Equal(dead, bodies) {
		c.Errorf("got the dead letters %q, want %q", dead, bodies)
	}
}

func (c *queueCase) getsNone() {
	c.Helper()
	if rs := c.receive(10, moment); len(rs) != 0 {
		c.Fatalf("received %q, want none", bodiesOf(rs))
	}
}

// soon expects that something due after d happened then: at most a second late in simulated time, or within patience
// in real time.
func (c *queueCase) soon(start time.Time, d time.Duration) {
	c.Helper()
	took, most := time.Since(start), d+patience/2
	if c.Bubble != nil {
		most = d + time.Second
	}
	if took < d-time.Second/2 || took > most {
		c.Errorf("it happened after %v, want %v", took, d)
	}
}

func (c *queueCase) done(rs ...tenants.Received) {
	c.Helper()
	if err := c.q.Done(c.ctx, rs...); err != nil {
		c.Fatalf("Done: %v", err)
	}
}

func (c *queueCase) release(delay time.Duration, rs ...tenants.Received) {
	c.Helper()
	if err := c.q.Release(c.ctx, delay, rs...); err != nil {
		c.Fatalf("Release: %v", err)
	}
}

// drain receives n messages in all and is done with each batch.
func (c *queueCase) drain(n int) (all []tenants.Received) {
	c.Helper()
	for len(all) < n {
		rs := c.receive(10, patience)
		if len(rs) == 0 {
			c.Fatalf("received %d messages, want %d", len(all), n)
		}
		c.done(rs...)
		all = append(all, rs...)
	}
	return all
}

func bodiesOf(rs []tenants.Received) []string {
	b := make([]string, len(rs))
	for i, r := range rs {
		b[i] = string(r.Body)
	}
	return b
}

func numbered(prefix string, n int) []string {
	s := make([]string, n)
	for i := range s {
		s[i] = fmt.Sprintf("%s%03d", prefix, i)
	}
	return s
}
