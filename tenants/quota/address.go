package quota

import (
	"net/netip"
	"strings"

	"github.com/hookcast/hookcast/tenants"
)

// address is where a tenant's clients connect from.
type address struct {
	tenant  tenants.TenantID
	network string
}

// takeAddressRate counts a connect against the rate of its address. Whoever is on this machine is not held back: it is the operator's own, or
// everybody at once, behind a proxy that the deployment was not told of.
func (a *Admission) takeAddressRate(r Request, l tenants.Limits) error {
	if l.ConnectsPerSecondIP <= 0 || r.IP == "" {
		return nil
	}
	if addr, err := netip.ParseAddr(r.IP); err == nil && addr.IsLoopback() {
		return nil
	}
	k := address{tenants.TenantID(strings.Clone(string(r.Tenant))), strings.Clone(r.IP)}
	if wait, ok := a.addressRates.Take(k, a.share(l.ConnectsPerSecondIP), 1); !ok {
		return limitReached("ip_connect_rate", "too many connections were opened from this address within a second", max(wait, connectAgain))
	}
	return nil
}
