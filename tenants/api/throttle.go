package api

import (
	"net/netip"
	"sync"
	"time"
)

// throttle allows a burst per client network and refills it slowly. It is per process and bounded: while it is full
// of networks that have not regained their allowance, a new one has to wait, too.
type throttle struct {
	burst   float64
	every   time.Duration // interval in which one unit is refilled
	maximum int           // networks kept

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

// take uses one unit of the client's allowance, or returns how long to wait for one. It never limits loopback
// addresses: they are the operator's, or those of all clients behind a proxy that is not configured.
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

// sweep forgets networks whose allowance is full again, at most once per refill, and reports whether there is room
// for another.
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

// network returns the addresses that are taken for one client: an IPv4 address or an IPv6 /64. All unknown addresses
// count as one client.
func network(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits)
	return p
}
