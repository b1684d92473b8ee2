package tenants

import (
	"net/netip"
	"strings"
)

// address is where a tenant's clients connect from.
type address struct {
	tenant  TenantID
	network string
}

// network is what limits by address count by: an IPv4 address, an IPv6 /64. What is no address stands for itself.
func network(ip string) string {
	if strings.IndexByte(ip, ':') < 0 {
		return ip
	}
	addr, err := netip.ParseAddr(ip)
	switch {
	case err != nil:
		return ip
	case addr.Is4In6():
		return addr.Unmap().String()
	case addr.IsLoopback():
		return ip
	}
	p, err := addr.WithZone("").Prefix(64)
	if err != nil {
		return ip
	}
	return p.String()
}

// takeFrom counts a connect against the rate of its address. Whoever is on this machine is not held back: it is the operator's own, or
// everybody at once, behind a proxy that the deployment was not told of.
func (a *Admission) takeFrom(r AdmissionRequest, l Limits) error {
	if l.ConnectsPerSecondIP <= 0 || r.IP == "" {
		return nil
	}
	if addr, err := netip.ParseAddr(r.IP); err == nil && addr.IsLoopback() {
		return nil
	}
	k := address{TenantID(strings.Clone(string(r.Tenant))), strings.Clone(r.IP)}
	if wait, ok := a.from.Take(k, a.share(l.ConnectsPerSecondIP), 1); !ok {
		return full("ip_connect_rate", "too many connections were opened from this address within a second", max(wait, connectAgain))
	}
	return nil
}
