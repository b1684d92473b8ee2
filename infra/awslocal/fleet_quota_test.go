package main

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hookcast/hookcast/tenants/tenantstest/depth"
)

const (
	quotaClients = 500
	quotaTime    = 30 * time.Second
	quotaTries   = 300 // as many clients as try within a second
	quotaBack    = 30 * time.Second
)

// However many want in, at three nodes, no more are than the limit allows, and hardly fewer. The slots of a node that is killed come back.
// What a client sees is counted, with a limit of 50 and one of 3 at the same time. No other test runs meanwhile: how soon
// a place that came free is found is a matter of the machine's time, too.
func TestNoMoreStreamsThanTheLimitOverAllNodes(t *testing.T) {
	depth.NeedsAll(t)
	p := fleet(t)
	const seed = 1
	crowds := []*crowd{{limit: 50}, {limit: 3}}
	var clients sync.WaitGroup
	for i, c := range crowds {
		tenant := p.Signup(t, fmt.Sprintf("limit-%d", c.limit))
		p.setLimits(t, tenant.ID, map[string]int{"connections": c.limit, "connections_per_ip": 0, "connects_per_second": 0})
		c.token, c.nodes, c.killed = p.Token(t, tenant, "page", "orders"), p.streams, make(map[string]bool)
		c.stop, c.settle = make(chan struct{}), make(chan struct{})
		for n := range quotaClients {
			clients.Go(func() { c.client(rand.New(rand.NewPCG(seed, uint64(i*quotaClients+n)))) })
		}
	}
	defer func() {
		for _, c := range crowds {
			close(c.stop)
		}
		clients.Wait()
	}()
	each := func(f func(c *crowd)) {
		var all sync.WaitGroup
		for _, c := range crowds {
			all.Go(func() { f(c) })
		}
		all.Wait()
	}
	each(func(c *crowd) { c.fill(t, c.limit*9/10) })
	each(func(c *crowd) { c.observe(t, "with three nodes", quotaTime) })
	for _, c := range crowds {
		c.kill(p.streams[0])
	}
	if err := syscall.Kill(p.processes(t)["streamer-1"][0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	time.Sleep(quotaBack)
	each(func(c *crowd) { c.observe(t, "30 s after a node was killed", 5*time.Second) })
	each(func(c *crowd) { c.judge(t) })
}

// observe wants the places in use while there are as many who want one: whoever is refused meanwhile finds nearly all of them taken. One that
// has just come free is found a moment later, by as many tries as there are in a second.
func (c *crowd) observe(t *testing.T, when string, d time.Duration) {
	c.mu.Lock()
	c.empty = emptiness{}
	c.mu.Unlock()
	time.Sleep(d)
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.empty
	average, low := float64(e.sum)/float64(max(e.refusals, 1)), float64(e.low)/float64(max(e.refusals, 1))
	said := fmt.Sprintf("%s, limit %d: of %d refusals %.1f %% with too few in use, %d in a row, %.2f in use on average", when, c.limit, e.refusals, 100*low, e.longest, average)
	if e.refusals < quotaTries/2 || e.longest > quotaTries || low > 0.1 || average < 0.9*float64(c.limit) {
		t.Error(said)
	} else {
		t.Log(said)
	}
}

// judge has everybody stay who has a place: then all are taken, and not one more.
func (c *crowd) judge(t *testing.T) {
	close(c.settle)
	c.fill(t, c.limit)
	time.Sleep(time.Second) // with hundreds who try
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.top > c.limit || c.refused == 0 || c.faults != nil {
		t.Errorf("limit %d: %d were in use at once, %d refused, %q", c.limit, c.top, c.refused, c.faults)
	}
	t.Logf("limit %d: %d at most, %d refused", c.limit, c.top, c.refused)
}

// fill waits until so many places are taken.
func (c *crowd) fill(t *testing.T, places int) {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		c.mu.Lock()
		inUse := c.inUse
		c.mu.Unlock()
		if inUse >= places {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("limit %d: only %d places can be taken", c.limit, inUse)
			return
		}
	}
}
