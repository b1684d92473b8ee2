package streamer

import (
	"net"
	"net/netip"
	"sync"
)

// peers counts the connections that each address has with the HTTP server, so that one that opens many and sends a byte now and then does not have them
// all. Streams are not among them: those a tenant's limits count. An IPv6 address counts by its /64, and one of this machine not at all: behind a proxy
// that the deployment was not told of, everybody is there.
type peers struct {
	most int // 0: any number

	mu   sync.Mutex
	open map[netip.Prefix]int
}

// take counts a connection from addr; false: there are as many already. Whoever took it gives it back once.
func (p *peers) take(addr net.Addr) (who netip.Prefix, ok bool) {
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
func (p *peers) giveBack(who netip.Prefix) {
	if !who.IsValid() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open[who]--; p.open[who] <= 0 {
		delete(p.open, who)
	}
}
