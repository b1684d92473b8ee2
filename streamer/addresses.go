package streamer

import (
	"net"
	"net/netip"
	"sync"
)

// addressCounts counts the connections of each address to the HTTP server, so that one client that opens many and
// sends a byte now and then cannot take all of them. It does not count streams, which have the tenant's limits. An
// IPv6 address counts by its /64. A loopback address does not count: behind a proxy that the deployment was not told
// of, all clients have it.
type addressCounts struct {
	most int // 0: no bound

	mu   sync.Mutex
	open map[netip.Prefix]int
}

// take counts a connection from addr. It returns false if the bound is reached. The caller must give back the result
// once.
func (p *addressCounts) take(addr net.Addr) (who netip.Prefix, ok bool) {
	at, isTCP := addr.(*net.TCPAddr)
	if p.most <= 0 || !isTCP {
		return who, true
	}
	ip := at.AddrPort().Addr().Unmap().WithZone("")
	if ip.IsLoopback() {
		return who, true
	}
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	if who, _ = ip.Prefix(bits); !who.IsValid() {
		return who, true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open[who] >= p.most {
		return netip.Prefix{}, false
	}
	if p.open == nil {
		p.open = make(map[netip.Prefix]int)
	}
	p.open[who]++
	return who, true
}

// giveBack undoes take. The zero Prefix was not counted.
func (p *addressCounts) giveBack(who netip.Prefix) {
	if !who.IsValid() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open[who]--; p.open[who] <= 0 {
		delete(p.open, who)
	}
}
