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
	quotaTries   = 300 // about as many clients try within a second
	quotaBack    = 30 * time.Second
)

// However many clients want a stream from three nodes, no more get one than the limit allows, and hardly fewer. The
// slots of a killed node become free again. The test counts what clients see, with limits of 50 and of 3 at the same
// time. No other test runs meanwhile, because how soon a free slot is found depends on the machine's load too.
func TestNoMoreStreamsThanTheLimitOverAllNodes(t *testing.T) {
	depth.NeedsAll(t)
	p := fleet(t)
	const seed = 1
	crowds := []*crowd{{limit: 50}, {limit: 3}}
	var clients sync.WaitGroup
	for i, c := range crowds {
		tenant := p.Signup(t, fmt.Sprintf("limit-%d", c.limit))
		p.setLimits(t, tenant.ID, map[string]int{"connections": c.limit, "connections_per_ip": 0,
			"connects_per_second": 0})
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

// observe wants nearly all slots to be in use whenever a client is refused, while enough clients want one. A slot
// that has just become free is found a moment later, after as many attempts as there are in a second.
func (c *crowd) observe(t *testing.T, when string, d time.Duration) {
	c.mu.Lock()
	c.empty = emptiness{}
	c.mu.Unlock()
	time.Sleep(d)
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.empty
	average, low := float64(e.sum)/float64(max(e.refusals, 1)), float64(e.low)/float64(max(e.refusals, 1))
	said := fmt.Sprintf("%s, limit %d: of %d refusals %.1f %% had too few slots in use, %d of them in a row; on "+
		"average %.2f were in use", when, c.limit, e.refusals, 100*low, e.longest, average)
	if e.refusals < quotaTries/2 || e.longest > quotaTries || low > 0.1 || average < 0.9*float64(c.limit) {
		t.Error(said)
	} else {
		t.Log(said)
	}
}

// judge lets all clients keep their slots: then all slots are in use, and no more.
func (c *crowd) judge(t *testing.T) {
	close(c.settle)
	c.fill(t, c.limit)
	time.Sleep(time.Second) // while hundreds of clients try
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.top > c.limit || c.refused == 0 || c.faults != nil {
		t.Errorf("limit %d: up to %d slots in use, %d refusals, violations %q", c.limit, c.top, c.refused, c.faults)
	}
	t.Logf("limit %d: up to %d slots in use, %d refusals", c.limit, c.top, c.refused)
}

// fill waits until that many slots are in use.
func (c *crowd) fill(t *testing.T, places int) {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		c.mu.Lock()
		inUse := c.inUse
		c.mu.Unlock()
		if inUse >= places {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("limit %d: only %d slots are in use, want %d", c.limit, inUse, places)
			return
		}
	}
}
