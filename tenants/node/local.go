package node

import (
	"context"
	"net/netip"

	"github.com/hookcast/hookcast/tenants"
)

// LocalConnections gives access to the connections of one streaming node.
type LocalConnections interface {
	Connections(t tenants.TenantID) []tenants.Connection
	// Disconnect ends the tenant's connection with this id and reports whether there was one.
	Disconnect(t tenants.TenantID, id string) bool
	// Renew continues the tenant's connection with this id under p. No such connection: NotFound
	// connection_not_found. It was opened by another party (see tenants.Principal.SameAs): Forbidden
	// connection_of_another. p has no right to one of its channels: Forbidden channel_forbidden. The rights could not
	// be determined: Unavailable, and the connection is unchanged.
	Renew(ctx context.Context, t tenants.TenantID, id string, p *tenants.Principal) error
}

// Network returns the unit by which limits per address count: an IPv4 address, an IPv6 /64, or a loopback address. Text
// that is not an address is returned as it is.
func Network(ip string) string {
	addr, err := netip.ParseAddr(ip)
	switch {
	case err != nil || addr.Is4():
		return ip
	case addr.Is4In6():
		return addr.Unmap().String()
	case addr.IsLoopback():
		return ip
	}
	return netip.PrefixFrom(addr.WithZone(""), 64).Masked().String()
}
