package api

import (
	"net/netip"
	"sync"
	"time"
)

// throttle allows a burst per client address and refills it slowly. It is per process and bounded: where it is full of
// addresses that are all being held back, a new one has to wait like them.
type throttle struct {
	burst   float64
	every   time.Duration // one more per this time
	maximum int           // addresses remembered

	mu    sync.Mutex
	spent map[netip.Prefix]allowance
	swept time.Time
}

type allowance struct {
	left float64
	at   time.Time
}

func newThrottle(burst int, every time.Duration, maximum int) *throttle {
	return &throttle{burst: float64(burst), every: every, maximum: maximum, spent: make(map[netip.Prefix]allowance)}
}

// take uses one of the client's allowance, or says when there will be one. Whoever is on this machine is not held back: it is the
// operator's own, or everybody at once, behind a proxy that the deployment was not told of.
func (t *throttle) take(client netip.Addr) (wait time.Duration) {
	if client.Unmap().IsLoopback() {
		return 0
	}
	who := network(client)
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	a, known := t.spent[who]
	if !known {
		if len(t.spent) >= t.maximum && !t.sweep(now) {
			return t.every
		}
		a = allowance{t.burst, now}
	}
	a.left = min(t.burst, a.left+float64(now.Sub(a.at))/float64(t.every))
	a.at = now
	if a.left < 1 {
		t.spent[who] = a
		return time.Duration((1 - a.left) * float64(t.every))
	}
	a.left--
	t.spent[who] = a
	return 0
}

// sweep forgets addresses whose allowance is whole again, at most once per refill, and tells whether there is room.
func (t *throttle) sweep(now time.Time) bool {
	if now.Sub(t.swept) < t.every {
		return false
	}
	t.swept = now
	for who, a := range t.spent {
		if a.left+float64(now.Sub(a.at))/float64(t.every) >= t.burst {
			delete(t.spent, who)
		}
	}
	return len(t.spent) < t.maximum
}

// network is what one client can be taken to own: an IPv4 address, an IPv6 /64. An address that is not known counts as one
// client together with all others like it.
func network(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits)
	return p
}
